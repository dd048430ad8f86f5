/**
 * Installs the server into an environment of its own, in this extension's storage folder, which all windows share: while
 * one of them installs, servers of the others run from what is there.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { type CancellationToken, type ExtensionContext, type LogOutputChannel, ProgressLocation, window } from "vscode";
import { Lock } from "./lock";
import { type Ended, isAlive, run } from "./processes";
import type { Interpreters } from "./python";

const LEAST = [3, 11] as const;
const PROBE = "import ensurepip, sys, venv; print(*sys.version_info[:3], sep='.'); print(sys.executable)";
const PROBE_MILLISECONDS = 10_000;
const FOLDER = "server"; // what the names of all environments begin with
const MARK = "installed"; // the file that an environment has once it is complete, with the digest of what is in it
const USER = "used-by-"; // files that name the processes which run from an environment
const LINGER_MILLISECONDS = 3_600_000;
const CHOOSE = "Choose a Python…";
const SHOW_LOG = "Show Log";

/** Why the server could not be installed, and what to do. */
class InstallError extends Error {}

/** What gets installed. */
interface Source {
  path: string;
  /** Tells one build from another. */
  digest: string;
}

export class PrivateEnvironment {
  private readonly storage: string;
  private running: Promise<boolean> | undefined;

  constructor(
    private readonly context: ExtensionContext,
    private readonly interpreters: Interpreters,
    private readonly log: LogOutputChannel,
  ) {
    this.storage = context.globalStorageUri.fsPath;
  }

  /**
   * Path of the installed `greenfinch`; undefined where no installation was completed that is the one that this
   * version of the extension brings.
   */
  async command(): Promise<string | undefined> {
    const [source, installed] = await Promise.all([this.source(), this.installed()]);
    const [folder] = installed
      .filter(({ digest }) => source === undefined || digest === source.digest)
      .sort((one, other) => other.since - one.since);
    return folder && program(folder.path, "greenfinch");
  }

  /** Whether there is an environment of another version of the extension. */
  async isOutdated(): Promise<boolean> {
    return (await this.installed()).length > 0 && (await this.command()) === undefined;
  }

  /**
   * Install the server, showing how it goes; whether it is there now.  A second call waits for the first, and for that
   * of another window.
   *
   * `again`: even if it is there, since it does not work.
   */
  install({ again = false } = {}): Promise<boolean> {
    this.running ??= this.installAndTell({ again }).finally(() => {
      this.running = undefined;
    });
    return this.running;
  }

  /** A process runs from what was installed here, or has done so until now: that is to be left alone. */
  async noteUse(file: string, pid: number): Promise<void> {
    const folder = this.folderOf(file);
    if (folder !== undefined) await writeFile(join(folder, `${USER}${pid}`), "");
  }

  /** Remove what other versions, and installations that were killed, have left, unless something runs from it. */
  async tidyUp(): Promise<void> {
    const command = await this.command();
    if (command === undefined) return;
    const lock = new Lock(join(this.storage, "installing"));
    if (!(await lock.take())) return; // what is being installed looks like what was left
    try {
      const current = this.folderOf(command);
      for (const folder of await this.folders()) {
        if (folder === current) await forgetUsers(folder);
        if (folder === current || (await isInUse(folder))) continue;
        this.log.info(`Removing ${folder}, which nothing runs from any more`);
        await rm(folder, { recursive: true, force: true });
      }
    } finally {
      await lock.release();
    }
  }

  private async installAndTell(how: { again: boolean; python?: string }): Promise<boolean> {
    try {
      const options = { location: ProgressLocation.Notification, title: "Greenfinch", cancellable: true };
      return await window.withProgress(options, async (progress, token) => {
        const say = (message: string) => progress.report({ message });
        if (!how.again && (await this.command()) !== undefined) return true; // by another window
        await mkdir(this.storage, { recursive: true });
        const lock = new Lock(join(this.storage, "installing"));
        const waited = await lock.acquire(token, () => say("another window is installing the server"));
        try {
          if (token.isCancellationRequested) return false;
          if ((waited || !how.again) && (await this.command()) !== undefined) return true;
          return await this.build(how.python, say, token);
        } finally {
          await lock.release();
        }
      });
    } catch (error) {
      if (!(error instanceof InstallError)) throw error;
      this.log.error(error.message);
      const choice = await window.showErrorMessage(error.message, CHOOSE, SHOW_LOG);
      if (choice === SHOW_LOG) this.log.show();
      if (choice !== CHOOSE) return false;
      const [chosen] = (await window.showOpenDialog({ title: "Python 3.11 or later" })) ?? [];
      return chosen === undefined ? false : this.installAndTell({ ...how, python: chosen.fsPath });
    }
  }

  /** Make an environment of its own, beside those that are there: nothing works less if this fails. */
  private async build(
    chosen: string | undefined,
    say: (message: string) => void,
    token: CancellationToken,
  ): Promise<boolean> {
    const source = await this.source();
    if (source === undefined) {
      throw new InstallError(
        "This build of the extension brings no server.  Install Greenfinch yourself (pipx install . in a clone of it), and " +
          "set greenfinch.server.command if it is not on your PATH.",
      );
    }
    say("looking for Python 3.11 or later");
    const python = await this.findPython(chosen);
    const folder = await this.newFolder(source);
    try {
      say("making an environment for the server");
      await this.step(python, ["-m", "venv", folder], "The environment could not be made", token);
      const pip = ["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--progress-bar", "off"];
      const seen = (line: string) => {
        const message = pipProgress(line);
        if (message !== undefined) say(message);
      };
      const failure = "The server could not be installed";
      await this.step(program(folder, "python"), [...pip, source.path], failure, token, seen);
      if (token.isCancellationRequested) return false;
      await writeFile(join(folder, MARK), source.digest);
      return true;
    } finally {
      // What cannot be removed now is at a later start.
      if (!existsSync(join(folder, MARK))) await rm(folder, { recursive: true, force: true }).catch(() => {});
    }
  }

  /** A folder named by what goes into it; an environment cannot be moved once it is made. */
  private async newFolder({ digest }: Source): Promise<string> {
    const named = join(this.storage, `${FOLDER}-${digest.slice(0, 12)}`);
    let folder = named;
    for (let number = 2; existsSync(folder); number++) folder = `${named}-${number}`;
    await mkdir(folder, { recursive: true });
    return folder;
  }

  /** All environments that were completed and can be run. */
  private async installed(): Promise<Installed[]> {
    const found = await Promise.all(
      (await this.folders()).map(async (path) => {
        const [digest, since] = await Promise.all([readFile(join(path, MARK), "utf8").catch(() => ""), changed(path)]);
        return { path, digest, since };
      }),
    );
    // A Python that is gone leaves a link that leads nowhere.
    const runs = (path: string) => ["greenfinch", "python"].every((name) => existsSync(program(path, name)));
    return found.filter(({ path, digest }) => digest !== "" && runs(path));
  }

  private async folders(): Promise<string[]> {
    const names = await readdir(this.storage).catch(() => []);
    return names.filter((name) => new RegExp(`^${FOLDER}(-|$)`).test(name)).map((name) => join(this.storage, name));
  }

  private folderOf(file: string): string | undefined {
    const [name = ""] = relative(this.storage, file).split(sep);
    return name.startsWith(FOLDER) ? join(this.storage, name) : undefined;
  }

  /** One program of the installation; nothing happens any more once it is cancelled. */
  private async step(
    file: string,
    args: string[],
    failure: string,
    token: CancellationToken,
    onLine: (line: string) => void = () => {},
  ): Promise<void> {
    if (token.isCancellationRequested) return;
    this.log.info(`$ ${file} ${args.join(" ")}`);
    const seen = (line: string) => {
      this.log.info(line);
      onLine(line);
    };
    const ended = await run(file, args, { token, onLine: seen, cwd: this.context.extensionPath });
    if (ended.code !== 0 && !ended.cancelled) throw new InstallError(`${failure}: ${explain(ended)}`);
  }

  /** A wheel that was packed with the extension; else the clone in which the extension is developed. */
  private async source(): Promise<Source | undefined> {
    const packed = join(this.context.extensionPath, "dist", "server");
    const [wheel] = (await readdir(packed).catch(() => [])).filter((name) => name.endsWith(".whl"));
    if (wheel !== undefined) {
      const path = join(packed, wheel);
      return { path, digest: sha256(await readFile(path)) };
    }
    const clone = join(this.context.extensionPath, "..", "..");
    return existsSync(join(clone, "lsp_server")) ? { path: clone, digest: sha256(clone) } : undefined;
  }

  private async findPython(chosen: string | undefined): Promise<string> {
    const candidates = chosen === undefined ? await this.pythons() : [[chosen]];
    const found: string[] = [];
    for (const [file = "", ...args] of candidates) {
      const ended = await run(file, [...args, "-c", PROBE], { timeout: PROBE_MILLISECONDS }).catch(() => undefined);
      if (ended === undefined) continue;
      const [version = "", executable = ""] = ended.stdout;
      if (ended.code !== 0) {
        found.push(`${file} (without venv: ${ended.stderr.at(-1) ?? "it does not start"})`);
      } else if (isNewEnough(version)) {
        return executable;
      } else {
        found.push(`${file} (${version})`);
      }
    }
    const those = found.length === 0 ? "There is no Python" : `Found: ${found.join(", ")}`;
    throw new InstallError(
      `Greenfinch's server needs Python 3.11 or later with its venv module.  ${those}.  ` +
        "Install one (python.org, or your system's packages python3 and python3-venv), or choose one.",
    );
  }

  private async pythons(): Promise<string[][]> {
    const chosen = await this.interpreters.of();
    const names = [["python3.13"], ["python3.12"], ["python3.11"], ["python3"], ["python"]];
    const all = process.platform === "win32" ? [["py", "-3"], ...names] : names;
    return chosen === undefined ? all : [...all, [chosen]];
  }
}

function sha256(data: string | Buffer): string {
  return createHash("sha256").update(data).digest("hex");
}

/** An environment that was completed. */
interface Installed {
  path: string;
  digest: string;
  since: number;
}

function program(folder: string, name: string): string {
  return process.platform === "win32" ? join(folder, "Scripts", `${name}.exe`) : join(folder, "bin", name);
}

/** When an environment was completed, or else begun. */
async function changed(folder: string): Promise<number> {
  const { mtimeMs } = await stat(join(folder, MARK)).catch(() => stat(folder));
  return mtimeMs;
}

/** Remove the notes of processes that are long gone. */
async function forgetUsers(folder: string): Promise<void> {
  for (const name of (await readdir(folder)).filter((name) => name.startsWith(USER))) {
    const { mtimeMs } = await stat(join(folder, name));
    const isOld = Date.now() - mtimeMs > LINGER_MILLISECONDS;
    if (isOld && !isAlive(Number(name.slice(USER.length)))) await rm(join(folder, name), { force: true });
  }
}

/** Whether a server runs from an environment, or a model host may that a server has left behind. */
async function isInUse(folder: string): Promise<boolean> {
  const names = (await readdir(folder)).filter((name) => name.startsWith(USER));
  if (names.some((name) => isAlive(Number(name.slice(USER.length))))) return true;
  const times = [changed(folder), ...names.map(async (name) => (await stat(join(folder, name))).mtimeMs)];
  return Date.now() - Math.max(...(await Promise.all(times))) < LINGER_MILLISECONDS;
}

function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > LEAST[0] || (major === LEAST[0] && minor >= LEAST[1]);
}

/** A line of pip's, as a line of progress; undefined for those that say nothing to the user. */
function pipProgress(line: string): string | undefined {
  const [, verb, what] =
    /^\s*(Collecting|Downloading|Building wheel for|Installing collected packages)[:\s]\s*(\S+)/.exec(line) ?? [];
  switch (verb) {
    case undefined:
      return undefined;
    case "Installing collected packages":
      return "installing packages";
    case "Building wheel for":
      return what === "llama-cpp-python" ? "compiling llama.cpp, once: about ten minutes" : `building ${what}`;
    default:
      return `fetching ${what
        ?.split("/")
        .at(-1)
        ?.replace(/[<>=!~;[].*|-\d.*/, "")}`;
  }
}

/** The reason in what a program has said, and what to do about the common ones. */
function explain(ended: Ended): string {
  const said = [...ended.stderr, ...ended.stdout];
  const reason =
    said.find((line) => /^\s*ERROR:/.test(line))?.replace(/^\s*ERROR:\s*/, "") ?? said.at(-1) ?? "no reason given";
  const text = said.join("\n");
  if (/CMAKE_C(XX)?_COMPILER|No CMAKE_C|CMake Error/.test(text)) {
    return `${reason}.  llama.cpp is compiled on this machine and needs a C++ compiler: install build-essential (Debian, Ubuntu), gcc-c++ (Fedora), Xcode's command line tools (macOS) or the Visual Studio Build Tools (Windows).`;
  }
  if (/NameResolutionError|Failed to establish a new connection|ConnectTimeout|ProxyError/.test(text)) {
    return `${reason}.  The package index cannot be reached: look at your network and proxy settings.`;
  }
  return reason;
}
