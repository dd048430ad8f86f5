/** Child processes: run to their end with every line seen, and ended together with all that they started. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { CancellationToken } from "vscode";

export interface Ended {
  /** Exit status; null where a signal ended it. */
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string[];
  stderr: string[];
  cancelled: boolean;
}

export interface RunOptions {
  cwd?: string;
  token?: CancellationToken;
  /** Milliseconds after which the process is ended. */
  timeout?: number;
  onLine?: (line: string) => void;
}

/** Run a program to its end.  Rejects if it cannot be started; its exit status is the caller's to judge. */
export function run(file: string, args: string[], options: RunOptions = {}): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { cwd: options.cwd, stdio: ["ignore", "pipe", "pipe"], detached: ownGroup });
    const ended: Ended = { code: null, signal: null, stdout: [], stderr: [], cancelled: false };
    const end = () => {
      ended.cancelled = true;
      endTree(child);
    };
    const cancelling = options.token?.onCancellationRequested(end);
    const timer = options.timeout === undefined ? undefined : setTimeout(end, options.timeout);
    const done = () => {
      cancelling?.dispose();
      clearTimeout(timer);
    };
    eachLine(child.stdout, (line) => {
      ended.stdout.push(line);
      options.onLine?.(line);
    });
    eachLine(child.stderr, (line) => {
      ended.stderr.push(line);
      options.onLine?.(line);
    });
    child.once("error", (error) => {
      done();
      reject(error);
    });
    child.once("close", (code, signal) => {
      done();
      resolve({ ...ended, code, signal });
    });
  });
}

/** Call `seen` with each line of a stream. */
export function eachLine(stream: NodeJS.ReadableStream, seen: (line: string) => void): void {
  createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }).on("line", seen);
}

/** Whether a process of that id is there, whoever's it is. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Processes that we start lead a group of their own, so that what they start can be ended with them. */
const ownGroup = process.platform !== "win32";

function endTree(child: ChildProcess): void {
  if (child.pid === undefined) return;
  if (ownGroup) {
    try {
      process.kill(-child.pid, "SIGKILL");
    } catch {
      // It has ended meanwhile.
    }
  } else {
    spawn("taskkill", ["/pid", String(child.pid), "/T", "/F"], { stdio: "ignore" });
  }
}
