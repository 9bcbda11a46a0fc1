/**
 * One change of a home in a process of its own, to be killed in the middle. argv: `{"home","do","killAt"}`; `killAt`
 * n: the process kills itself with SIGKILL at the nth point around a durable step. Prints `done` when it got through.
 */
import { realClock, realRandom } from "../../core/base/mod.ts";
import { Accounts } from "../../core/identity/mod.ts";
import { openHome } from "../../core/storage/mod.ts";
import { archiveBytes } from "../vectors/account/captured.ts";

const { home: folder, do: step, killAt = 0 } = JSON.parse(Deno.args[0]!) as {
  home: string;
  do: string;
  killAt?: number;
};
let point = 0, armed = step !== "create"; // making keys takes long: there only the storing is interrupted
const fault = () => {
  if (armed && ++point === killAt) Deno.kill(Deno.pid, "SIGKILL");
};
await using home = await openHome(folder, { fault });
const accounts = Accounts.open(home, { clock: realClock, random: realRandom }),
  device = { deviceName: "kith" };
const onProgress = (progress: { step: string }) => armed ||= progress.step === "storing";
if (step === "create") await accounts.create({ ...device, onProgress });
else if (step === "import") await accounts.import(archiveBytes("v23_plain.gz"), device);
else if (step === "password") await accounts.changePassword(accounts.list()[0]!.id, { password: "" }, "next");
else if (step === "export") await accounts.export(accounts.list()[0]!.id);
else if (step === "delete") accounts.remove(accounts.list()[0]!.id);
else throw new TypeError(step);
console.log(`done ${point}`);
