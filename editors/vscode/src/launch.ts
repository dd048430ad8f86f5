/** Where the server's command is, and its process once started. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { LogLevel, type LogOutputChannel, workspace } from "vscode";
import type { PrivateEnvironment } from "./install";
import { eachLine } from "./processes";

const LAST_WORDS_MILLISECONDS = 1_000;

/** Where a command is from that this extension has installed. */
export const INSTALLED = "installed by this extension";

export interface Command {
  file: string;
  /** For people: how it was found. */
  from: string;
}

/** Why there is no command to start. */
export class MissingError extends Error {}

/**
 * The command to start: what the user has set, what this extension has installed, what is on the PATH, what the user's
 * other editors have installed.
 *
 * Throws a MissingError if there is none.
 */
export async function findCommand(environment: PrivateEnvironment): Promise<Command> {
  const set = workspace.getConfiguration("greenfinch").get<string>("server.command", "").trim();
  if (set !== "") {
    const file = set.replace(/^~(?=[\\/])/, homedir());
    if (await isExecutable(file)) return { file, from: "the setting greenfinch.server.command" };
    throw new MissingError(`The setting greenfinch.server.command names ${set}, which is no program that can be run.`);
  }
  const installed = await environment.command();
  if (installed !== undefined) return { file: installed, from: INSTALLED };
  const name = process.platform === "win32" ? "greenfinch.exe" : "greenfinch";
  for (const folder of (process.env.PATH ?? "").split(delimiter).filter(Boolean)) {
    const file = join(folder, name);
    if (await isExecutable(file)) return { file, from: "found on the PATH" };
  }
  const shared = othersCommand(name);
  if (await isExecutable(shared)) return { file: shared, from: "your other editors' environment" };
  throw new MissingError(
    (await environment.isOutdated())
      ? "Greenfinch's server here is that of another version of this extension."
      : "Greenfinch's server is not installed on this machine.",
  );
}

/** Where Emacs', Helix' and Neovim's one command to install the server puts it. */
function othersCommand(name: string): string {
  const data = process.env.XDG_DATA_HOME || join(homedir(), ".local", "share");
  return join(data, "greenfinch", "venv", process.platform === "win32" ? "Scripts" : "bin", name);
}

async function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** A server that runs, and how it came to its end. */
export class ServerProcess {
  /** Resolves with how the process ended, in words, as soon as it has. */
  readonly ended: Promise<string>;

  private constructor(
    readonly child: ChildProcessWithoutNullStreams,
    log: LogOutputChannel,
  ) {
    let last = "";
    eachLine(child.stderr, (line) => {
      last = line.trim() || last;
      if (/\b(ERROR|CRITICAL)\b/.test(line)) log.error(line);
      else if (/\bWARNING\b/.test(line)) log.warn(line);
      else log.info(line);
    });
    const closed = once(child, "close");
    const gone = once(child, "exit").then(async (how) => {
      await delay(LAST_WORDS_MILLISECONDS); // a program that it has left behind may keep its streams open for ever
      return how;
    });
    this.ended = Promise.race([closed, gone]).then(([code, signal]) => {
      const how = signal === null ? `exit status ${code}` : `signal ${signal}`;
      return last === "" ? how : `${how}; its last words: ${last}`;
    });
  }

  /** Start the server.  Rejects if the program cannot be run at all. */
  static async start(command: Command, log: LogOutputChannel): Promise<ServerProcess> {
    const args = ["serve", "--stdio", "--log-level", serverLevel(log.logLevel)];
    const folder = workspace.workspaceFolders?.[0]?.uri;
    const cwd = folder?.scheme === "file" ? folder.fsPath : homedir();
    log.info(`Starting ${command.file} ${args.join(" ")} (${command.from}), in ${cwd}`);
    const child = spawn(command.file, args, { cwd, stdio: "pipe" });
    await once(child, "spawn");
    return new ServerProcess(child, log);
  }

  /** End a process that does not go by itself in that time; how it ended. */
  async endWithin(milliseconds: number): Promise<string> {
    const timer = setTimeout(() => this.child.kill("SIGKILL"), milliseconds);
    const how = await this.ended;
    clearTimeout(timer);
    return how;
  }

  /** How it has ended, if it has within that time. */
  async endedWithin(milliseconds: number): Promise<string | undefined> {
    return Promise.race([this.ended, delay(milliseconds, undefined)]);
  }
}

function serverLevel(level: LogLevel): string {
  switch (level) {
    case LogLevel.Trace:
    case LogLevel.Debug:
      return "debug";
    case LogLevel.Info:
      return "info";
    case LogLevel.Warning:
      return "warning";
    default:
      return "error";
  }
}
