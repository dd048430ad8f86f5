/** A lock among all windows of this user's editor, as a file that its holder touches. */
import { readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import type { CancellationToken } from "vscode";
import { isAlive } from "./processes";

const TOUCH_MILLISECONDS = 5_000;
const POLL_MILLISECONDS = 500;
const PATIENCE = 60_000; // milliseconds that a holder may go without touching it: extension hosts can be busy

export class Lock {
  private touching: NodeJS.Timeout | undefined;

  constructor(private readonly file: string) {}

  /** Take the lock if nobody has it; whether it was taken. */
  async take(): Promise<boolean> {
    const holder = await this.holder();
    const pid = Number(holder);
    if (pid > 0 && !isAlive(pid)) await this.takeAway(holder);
    try {
      await writeFile(this.file, String(process.pid), { flag: "wx" });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      return false;
    }
    this.touching = setInterval(() => {
      const now = new Date();
      void utimes(this.file, now, now).catch(() => {});
    }, TOUCH_MILLISECONDS);
    return true;
  }

  /** Wait for the lock, until `token` is cancelled; whether another held it.  `waiting` is called while one does. */
  async acquire(token: CancellationToken, waiting: () => void): Promise<boolean> {
    let waited = false;
    let touched = 0;
    let idle = 0;
    while (!token.isCancellationRequested && !(await this.take())) {
      const last = await this.lastTouched();
      // What counts is the time that this has looked on: the machine may have slept, both windows with it.
      idle = last === touched ? idle + POLL_MILLISECONDS : 0;
      touched = last;
      if (idle > PATIENCE) await this.takeAway(await this.holder());
      waited = true;
      waiting();
      await delay(POLL_MILLISECONDS);
    }
    return waited;
  }

  /** Give it back, if it was taken. */
  async release(): Promise<void> {
    if (this.touching === undefined) return;
    clearInterval(this.touching);
    this.touching = undefined;
    if ((await this.holder()) === String(process.pid)) await rm(this.file, { force: true });
  }

  private async holder(): Promise<string> {
    return readFile(this.file, "utf8").catch(() => "");
  }

  private async lastTouched(): Promise<number> {
    return stat(this.file).then(
      ({ mtimeMs }) => mtimeMs,
      () => 0,
    );
  }

  /** Take away the lock that this holder has abandoned, unless another window has just taken it over. */
  private async takeAway(holder: string): Promise<void> {
    const aside = `${this.file}-${process.pid}`;
    await rename(this.file, aside).catch(() => {});
    const taken = await readFile(aside, "utf8").catch(() => holder);
    if (taken === holder) await rm(aside, { force: true });
    else await rename(aside, this.file);
  }
}
