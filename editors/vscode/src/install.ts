/** Installs the server into an environment of its own, in this extension's storage folder. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type CancellationToken, type ExtensionContext, type LogOutputChannel, ProgressLocation, window } from "vscode";
import { type Ended, run } from "./processes";
import type { Interpreters } from "./python";

const LEAST = [3, 11] as const;
const PROBE = "import ensurepip, sys, venv; print(*sys.version_info[:3], sep='.'); print(sys.executable)";
const PROBE_MILLISECONDS = 10_000;
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
  private readonly folder: string;
  private readonly mark: string;
  private running: Promise<boolean> | undefined;

  constructor(
    private readonly context: ExtensionContext,
    private readonly interpreters: Interpreters,
    private readonly log: LogOutputChannel,
  ) {
    this.folder = join(context.globalStorageUri.fsPath, "server");
    this.mark = join(this.folder, "installed");
  }

  /** Path of the environment's `greenfinch`, whether or not it is there. */
  get command(): string {
    return this.program("greenfinch");
  }

  /** Whether an installation was completed, and is the one that this version of the extension brings. */
  async isReady(): Promise<boolean> {
    const [mark, source] = await Promise.all([readFile(this.mark, "utf8").catch(() => ""), this.source()]);
    return mark !== "" && existsSync(this.command) && (source === undefined || mark === source.digest);
  }

  /** Whether there is an environment of another version of the extension. */
  async isOutdated(): Promise<boolean> {
    return existsSync(this.mark) && existsSync(this.command) && !(await this.isReady());
  }

  /** Install the server, showing how it goes; whether it is there now.  A second call waits for the first. */
  install(): Promise<boolean> {
    this.running ??= this.installAndTell().finally(() => {
      this.running = undefined;
    });
    return this.running;
  }

  private async installAndTell(python?: string): Promise<boolean> {
    try {
      const options = { location: ProgressLocation.Notification, title: "Greenfinch", cancellable: true };
      return await window.withProgress(options, (progress, token) =>
        this.build(python, (message) => progress.report({ message }), token),
      );
    } catch (error) {
      await rm(this.folder, { recursive: true, force: true });
      if (!(error instanceof InstallError)) throw error;
      this.log.error(error.message);
      const choice = await window.showErrorMessage(error.message, CHOOSE, SHOW_LOG);
      if (choice === SHOW_LOG) this.log.show();
      if (choice !== CHOOSE) return false;
      const [chosen] = (await window.showOpenDialog({ title: "Python 3.11 or later" })) ?? [];
      return chosen === undefined ? false : this.installAndTell(chosen.fsPath);
    }
  }

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
    await rm(this.folder, { recursive: true, force: true });
    await mkdir(this.folder, { recursive: true });
    say("making an environment for the server");
    await this.step(python, ["-m", "venv", this.folder], "The environment could not be made", token);
    const pip = ["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--progress-bar", "off"];
    const seen = (line: string) => {
      const message = pipProgress(line);
      if (message !== undefined) say(message);
    };
    await this.step(this.program("python"), [...pip, source.path], "The server could not be installed", token, seen);
    if (token.isCancellationRequested) {
      await rm(this.folder, { recursive: true, force: true });
      return false;
    }
    await writeFile(this.mark, source.digest);
    return true;
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
      return {
        path,
        digest: createHash("sha256")
          .update(await readFile(path))
          .digest("hex"),
      };
    }
    const clone = join(this.context.extensionPath, "..", "..");
    return existsSync(join(clone, "lsp_server")) ? { path: clone, digest: clone } : undefined;
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

  private program(name: string): string {
    return process.platform === "win32" ? join(this.folder, "Scripts", `${name}.exe`) : join(this.folder, "bin", name);
  }
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
