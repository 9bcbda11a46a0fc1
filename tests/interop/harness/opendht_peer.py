"""A real OpenDHT node of whichever generation this interpreter carries, driven by JSON lines.

In: {"n": 1, "do": "put", ...}. Out: {"n": 1, "ok": true, ...}, and {"listen": 3, "event": "value", ...} in between.
The first line out is {"ready": true, "id": ..., "port": ...}.
"""
import json
import os
import sys
import threading
import time

sys.path.append(os.path.join(os.environ.get("PYTHONHOME", "/usr"), "lib/python3/dist-packages"))
import opendht as dht  # noqa: E402

out = threading.Lock()


def say(**fields):
    with out:
        sys.stdout.write(json.dumps(fields) + "\n")
        sys.stdout.flush()


def hash_of(text):
    return dht.InfoHash(text.encode())


def shown(value):
    return {"id": str(value.id), "data": value.data.hex(), "userType": value.user_type, "text": str(value)}


options = json.loads(sys.argv[1])
config = dht.DhtConfig()
config.setNetwork(options.get("network", 0))
if "nodeId" in options:
    config.setNodeId(hash_of(options["nodeId"]))
if "rate" in options:
    config.setRateLimit(options["rate"], options["rate"])
if options.get("identity"):
    config.setIdentity(dht.Identity.generate("kith test peer", bits=2048))
node = dht.DhtRunner()
node.run(port=options["port"], ipv4=options.get("ip4", ""), ipv6=options.get("ip6", ""), config=config)
for host, port in options.get("bootstrap", []):
    node.bootstrap(host, str(port))
listens, next_listen = {}, 0
say(ready=True, id=node.getNodeId().decode(), port=node.getBound().getPort(), own=node.getId().toString().decode())


def do_put(n, key, data, type=0, userType="", id=None):
    value = dht.Value(bytes.fromhex(data), type)
    if userType:
        value.user_type = userType
    if id is not None:
        value.id = int(id)
    done = lambda ok, nodes: say(n=n, ok=bool(ok), id=str(value.id), nodes=len(nodes))  # noqa: E731
    node.put(hash_of(key), value, done_cb=done)


def do_get(n, key, where=None):
    found = []

    def got(value):
        found.append(shown(value))
        return True

    done = lambda ok, nodes: say(n=n, ok=bool(ok), values=found)  # noqa: E731
    extra = {} if where is None else {"where": dht.Where(where)}
    node.get(hash_of(key), get_cb=got, done_cb=done, **extra)


def do_listen(n, key):
    global next_listen
    number, next_listen = next_listen, next_listen + 1

    def heard(value, expired):
        say(listen=number, event="expired" if expired else "value", value=shown(value))
        return True

    listens[number] = node.listen(hash_of(key), heard)
    say(n=n, ok=True, listen=number)


def do_cancel(n, listen):
    node.cancelListen(listens.pop(listen))
    say(n=n, ok=True)


def do_bootstrap(n, host, port):
    node.bootstrap(host, str(port))
    say(n=n, ok=True)


def do_info(n):
    tables = {family: node.getRoutingTablesLog(af) for family, af in (("4", 2), ("6", 10))}
    say(n=n, ok=True, tables=tables, storage=node.getStorageLog(), messages=node.getNodeMessageStats())


def do_time(n, count):
    """Puts and gets one after the other, each of a fresh key; milliseconds of each."""
    def run():
        puts, gets, value = [], [], bytes([7] * 100)
        for _ in range(count):
            key, done, found = hash_of(os.urandom(20).hex()), threading.Event(), []
            start = time.perf_counter()
            node.put(key, dht.Value(value), done_cb=lambda ok, nodes: done.set())
            done.wait()
            puts.append(1000 * (time.perf_counter() - start))
            done.clear()
            start = time.perf_counter()
            node.get(key, get_cb=lambda v: found.append(v) or True, done_cb=lambda ok, nodes: done.set())
            done.wait()
            gets.append(1000 * (time.perf_counter() - start))
            if len(found) != 1:
                return say(n=n, ok=False, error="the value is not there")
        say(n=n, ok=True, puts=puts, gets=gets)

    threading.Thread(target=run).start()


for line in sys.stdin:
    request = json.loads(line)
    number, verb = request.pop("n"), request.pop("do")
    if verb == "quit":
        break
    try:
        globals()["do_" + verb](number, **request)
    except Exception as error:  # the test decides what an error means
        say(n=number, ok=False, error=repr(error))
stopped = threading.Event()
node.shutdown(lambda: stopped.set())
stopped.wait(5)
os._exit(0)
