"""A key of a real OpenDHT. First line out: its certificate and id. Then each line in is a ciphertext, each line out its plain text, in hex."""
import json
import os
import sys

sys.path.append(os.path.join(os.environ.get("PYTHONHOME", "/usr"), "lib/python3/dist-packages"))
import opendht as dht  # noqa: E402

identity = dht.Identity.generate("kith test key", bits=2048)
certificate = identity.certificate
print(json.dumps({"pem": str(certificate.toString()), "id": identity.publickey.getId().toString().decode()}), flush=True)
for line in sys.stdin:
    try:
        print("plain " + identity.key.decrypt(bytes.fromhex(line)).hex(), flush=True)
    except Exception as error:
        print("failed " + repr(error), flush=True)
