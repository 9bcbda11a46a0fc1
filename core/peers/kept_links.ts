/** Links that come back: a {@linkcode Keeper} with the connection manager's hands. */
import { Driver } from "../base/mod.ts";
import { Keeper, type KeeperIn, type KeeperOut } from "./keeper.ts";
import type { PeerManager } from "./manager.ts";
import type { Device } from "./words.ts";

export class KeptLinks implements Disposable {
  readonly #devices = new Map<string, Device>();
  readonly #driver: Driver<KeeperIn, KeeperOut>;
  readonly #watching: Disposable;

  /** Starts nothing until somebody is kept. */
  constructor(readonly manager: PeerManager, readonly connType = "") {
    const { clock, random } = manager.options.env;
    this.#driver = new Driver(new Keeper(random), clock, ({ device }) => this.#dial(device));
    this.#watching = manager.watch((event) => {
      if (event.type === "connected") this.#driver.feed({ type: "up", device: event.device });
      if (event.type === "disconnected") this.#driver.feed({ type: "down", device: event.device });
    });
  }

  /** Wants a link to `device` whenever it is present. */
  keep(device: Device): void {
    const id = longId(device);
    this.#devices.set(id, device);
    this.#driver.feed({ type: "keep", device: id });
    if (this.manager.links().some((link) => link.device === id)) {
      this.#driver.feed({ type: "up", device: id });
    }
  }
  /** Wants it no longer; a link there is stays. */
  leave(device: Device): void {
    this.#devices.delete(longId(device));
    this.#driver.feed({ type: "leave", device: longId(device) });
  }
  /** What presence says of a device. */
  presence(device: Device, present: boolean): void {
    this.#driver.feed({ type: present ? "present" : "absent", device: longId(device) });
  }
  /** The host's network changed. */
  connectivityChanged(): void {
    this.manager.connectivityChanged();
    this.#driver.feed({ type: "network" });
  }
  [Symbol.dispose](): void {
    this.#watching[Symbol.dispose]();
    this.#driver[Symbol.dispose]();
  }

  #dial(device: string): void {
    const { connType } = this;
    this.manager.connect(this.#devices.get(device) ?? device, { connType }).then(
      () => this.#driver.feed({ type: "up", device }),
      () => this.#driver.feed({ type: "failed", device }), // why, is in the manager's trace
    );
  }
}

const longId = (device: Device): string => typeof device === "string" ? device : device.longId;
