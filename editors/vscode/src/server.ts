/** The language server's life: found, started, restarted when it crashes, ended; and requests to it. */
import { setTimeout as delay } from "node:timers/promises";
import {
  commands,
  type Disposable,
  EventEmitter,
  type ExtensionContext,
  type LogOutputChannel,
  Uri,
  window,
  workspace,
} from "vscode";
import {
  CloseAction,
  type ConfigurationParams,
  ErrorAction,
  ExecuteCommandRequest,
  LanguageClient,
  type LanguageClientOptions,
  type ProgressToken,
  ShowMessageNotification,
  ShowMessageRequest,
  State,
  WorkDoneProgressCancelNotification,
} from "vscode-languageclient/node";
import type { PrivateEnvironment } from "./install";
import { type Command, findCommand, INSTALLED, MissingError, ServerProcess } from "./launch";
import { ask, showMessage } from "./messages";
import type { Pages } from "./pages";
import type { Asker, Confirmations } from "./preview";
import { ProgressNotifications } from "./progress";
import type { Held, Job, Status } from "./protocol";
import type { Interpreters } from "./python";
import { settingsForServer } from "./settings";

/** How the server is. */
export type Condition =
  | { is: "untrusted" }
  | { is: "missing"; reason: string }
  | { is: "starting" }
  | { is: "running"; command: Command }
  | { is: "down"; reason: string };

export const RESTART = "Restart the Server";
export const SHOW_LOG = "Show Log";
const CRASHES_FORGIVEN = 3;
const CRASH_MEMORY_MILLISECONDS = 180_000;
const START_MILLISECONDS = 60_000;
const STOP_MILLISECONDS = 5_000;
const LAST_WORDS_MILLISECONDS = 2_000;
const ASK_MILLISECONDS = 10_000;

/** Where the library would tell of a failed start or a lost connection, too, the log alone gets it. */
class Client extends LanguageClient {
  override error(message: string, data?: unknown, show: boolean | "force" = true): void {
    super.error(message, data, show === "force" ? false : show);
  }
}

/** The server has not answered in time. */
class LateError extends Error {}

export class Server implements Disposable {
  private client: Client | undefined;
  private process: ServerProcess | undefined;
  private starting: AbortController | undefined;
  private crashes: number[] = [];
  private changing: Promise<void> = Promise.resolve();
  private now: Condition = { is: "starting" };
  private readonly changed = new EventEmitter<Condition>();
  private readonly notified = new EventEmitter<Status>();
  private said: Status | undefined;
  private readonly progress = new ProgressNotifications((token) => this.cancelProgress(token));
  private readonly subscriptions: Disposable[] = [this.changed, this.notified];

  readonly onDidChangeCondition = this.changed.event;
  readonly onDidChangeStatus = this.notified.event;

  constructor(
    private readonly context: ExtensionContext,
    private readonly environment: PrivateEnvironment,
    private readonly interpreters: Interpreters,
    private readonly pages: Pages,
    private readonly confirmations: Confirmations,
    private readonly log: LogOutputChannel,
  ) {
    this.subscriptions.push(
      interpreters.onDidChange(() => this.settingsChanged()),
      workspace.onDidGrantWorkspaceTrust(() => this.restart()),
      workspace.onDidChangeConfiguration((event) => {
        if (event.affectsConfiguration("greenfinch.server")) void this.restart();
      }),
    );
  }

  get condition(): Condition {
    return this.now;
  }

  /** The same, once a start or a stop that is on its way is over. */
  async settled(): Promise<Condition> {
    await this.changing;
    return this.now;
  }

  /** What the server has said of itself last; undefined until it has. */
  get status(): Status | undefined {
    return this.said;
  }

  /** Start the server, if it may be started and is there; a server that runs is stopped first. */
  restart(): Promise<void> {
    this.crashes = [];
    this.starting?.abort();
    return this.change(async () => {
      await this.end();
      await this.begin();
    });
  }

  /** Stop the server. */
  stop(): Promise<void> {
    this.starting?.abort();
    return this.change(() => this.end());
  }

  /**
   * Run one of the server's commands.
   *
   * Undefined: there is no server to run it; its user has been told why, and offered what helps.
   */
  async execute<Answer>(command: string, argument?: object): Promise<Answer | undefined> {
    await this.changing;
    if (this.client?.state !== State.Running) {
      await this.explain();
      return undefined;
    }
    const args = argument === undefined ? [] : [argument];
    return this.client.sendRequest(ExecuteCommandRequest.type, { command, arguments: args });
  }

  /** Say why there is no server, and offer what helps. */
  async explain(): Promise<void> {
    switch (this.now.is) {
      case "untrusted": {
        const manage = "Manage Workspace Trust";
        const text = "Greenfinch runs your tests, which is code of this workspace.  Trust the workspace to use it.";
        if ((await window.showWarningMessage(text, manage)) === manage) {
          await commands.executeCommand("workbench.trust.manage");
        }
        return;
      }
      case "starting":
        void window.showInformationMessage("Greenfinch's server is starting.  Try again in a moment.");
        return;
      case "missing":
        return this.offerToInstall(this.now.reason);
      case "down": {
        const text = `Greenfinch's server is not running: ${this.now.reason}.`;
        return this.offerRestart(text);
      }
    }
  }

  /** Install the server into its private environment, and start it; one that runs already is left, if its user likes. */
  async install(): Promise<void> {
    const condition = await this.settled();
    if (condition.is === "running" && !(await wantsAnother(condition.command))) return;
    // What does not start, or is to be installed although it runs, is no reason to leave it at that.
    const again = condition.is === "down" || (condition.is === "running" && condition.command.from === INSTALLED);
    if (!(await this.environment.install({ again }))) return;
    await this.restart();
    if (this.now.is === "running") {
      const text = "Greenfinch is ready: right-click a Python function and choose “Greenfinch: Implement”.";
      void window.showInformationMessage(text);
    }
  }

  dispose(): void {
    void this.stop();
    for (const each of this.subscriptions) each.dispose();
  }

  private change(step: () => Promise<void>): Promise<void> {
    this.changing = this.changing.then(step).catch((error: unknown) => {
      this.log.error(String(error));
      if (this.now.is === "starting") this.become({ is: "down", reason: String(error) });
    });
    return this.changing;
  }

  private become(condition: Condition): void {
    this.now = condition;
    this.changed.fire(condition);
    void commands.executeCommand("setContext", "greenfinch.serverRunning", condition.is === "running");
  }

  private async begin(): Promise<void> {
    if (!workspace.isTrusted) {
      this.become({ is: "untrusted" });
      return;
    }
    this.become({ is: "starting" });
    let command: Command;
    try {
      command = await findCommand(this.environment);
    } catch (error) {
      if (!(error instanceof MissingError)) throw error;
      this.become({ is: "missing", reason: error.message });
      void this.offerToInstall(error.message);
      return;
    }
    const launch = () => this.launch(command, () => client === this.client);
    const client: Client = new Client("greenfinch", "Greenfinch", launch, this.options(askerOf(() => client)));
    this.client = client;
    client.onDidChangeState(({ oldState, newState }) => {
      if (client !== this.client) return;
      if (newState === State.Running) this.become({ is: "running", command });
      else if (oldState === State.Running) void this.change(() => this.crashed(client));
    });
    client.onNotification("greenfinch/status", (status: Status) => {
      this.said = status;
      this.notified.fire(status);
    });
    client.onNotification(ShowMessageNotification.type, (params) => showMessage(params, () => this.said));
    client.onRequest(ShowMessageRequest.type, ask);
    const starting = new AbortController();
    this.starting = starting;
    try {
      await Promise.race([client.start(), patience(starting.signal)]);
    } catch (error) {
      await this.failed(command, error, starting.signal.aborted);
    } finally {
      this.starting = undefined;
      starting.abort();
    }
  }

  /** A start came to nothing: say why, unless it was broken off by what comes next. */
  private async failed(command: Command, error: unknown, brokenOff: boolean): Promise<void> {
    const { process } = this;
    this.client = undefined;
    this.process = undefined;
    const late = error instanceof LateError;
    // That it has ended, and with which words, says more than that its connection was closed.
    const how = late || brokenOff ? undefined : await process?.endedWithin(LAST_WORDS_MILLISECONDS);
    await process?.endWithin(0);
    if (brokenOff) return;
    const reason = how ?? (error instanceof Error ? error.message : String(error));
    this.log.error(`The server did not start: ${reason}`);
    this.become({ is: "down", reason });
    const text = how
      ? `Greenfinch's server ended before it was ready, by ${how}.  It is not started again.`
      : `Greenfinch's server did not start (${command.file}, ${command.from}): ${reason}.`;
    const remedy =
      "  If that is another program, correct the setting greenfinch.server.command; else “Greenfinch: Install the Server” installs it anew.";
    void this.offerRestart(late ? text + remedy : text);
  }

  private async end(): Promise<void> {
    const { client, process } = this;
    this.client = undefined;
    this.process = undefined;
    this.said = undefined;
    this.progress.clear();
    if (client?.needsStop()) {
      await client.dispose().catch((error: unknown) => this.log.warn(`The server did not stop in order: ${error}`));
    }
    await process?.endWithin(STOP_MILLISECONDS);
  }

  private async launch(command: Command, isWanted: () => boolean) {
    const process = await ServerProcess.start(command, this.log);
    if (isWanted()) this.process = process;
    else await process.endWithin(0); // the start was broken off meanwhile
    void this.keep(command, process);
    return process.child;
  }

  /** See to it that what a server runs from is not removed; what nothing runs from any more is. */
  private async keep({ file }: Command, { child, ended }: ServerProcess): Promise<void> {
    try {
      await this.environment.noteUse(file, child.pid ?? 0);
      await this.environment.tidyUp();
      await ended;
      await this.environment.noteUse(file, child.pid ?? 0); // its model host may run on for a while
    } catch (error) {
      this.log.warn(`Old environments of the server were not looked after: ${error}`);
    }
  }

  private options(asker: Asker): LanguageClientOptions {
    return {
      documentSelector: [{ scheme: "file", language: "python" }],
      outputChannel: this.log,
      traceOutputChannel: this.log,
      initializationOptions: { status_notifications: true, previews_edits: true },
      stdioOptions: { stdout: () => {}, stderr: () => {} }, // its process logs what it says
      initializationFailedHandler: () => false, // its user is told in our own words
      errorHandler: {
        error: () => ({ action: ErrorAction.Continue }),
        closed: () => ({ action: CloseAction.DoNotRestart, handled: true }), // started again in our own way
      },
      middleware: {
        handleWorkDoneProgress: this.progress.handle,
        window: { showDocument: this.pages.showDocument },
        workspace: {
          handleApplyEdit: this.confirmations.confirming(asker),
          configuration: (params) => this.configuration(params),
          didChangeConfiguration: () => this.settingsChanged(),
        },
      },
    };
  }

  /** The connection was closed by the server: start it again, but not for ever. */
  private async crashed(client: Client): Promise<void> {
    if (client !== this.client) return; // it was ended meanwhile, or started again
    const reason = (await this.process?.endWithin(STOP_MILLISECONDS)) ?? "no process";
    const now = Date.now();
    this.crashes = [...this.crashes.filter((time) => now - time < CRASH_MEMORY_MILLISECONDS), now];
    this.log.error(`The server has ended by itself: ${reason}`);
    await this.end();
    if (this.crashes.length <= CRASHES_FORGIVEN) {
      const text = `Greenfinch's server ended (${reason}) and is started again.  What it was at is lost; your files are as they were.`;
      void window.showWarningMessage(text, SHOW_LOG).then((choice) => choice && this.log.show());
      return this.begin();
    }
    this.become({ is: "down", reason });
    const times = `ended ${this.crashes.length} times within three minutes, the last time by`;
    void this.offerRestart(`Greenfinch's server ${times} ${reason}.  It is not started again.`);
  }

  private async configuration(params: ConfigurationParams): Promise<unknown[]> {
    return Promise.all(
      params.items.map(async ({ section, scopeUri }) => {
        const scope = scopeUri ? Uri.parse(scopeUri) : undefined; // without one: what holds for the whole workspace
        if (section === "greenfinch") return settingsForServer(this.context.extension.id, scope);
        if (section === "python") return { defaultInterpreterPath: await this.interpreters.soon(scope) };
        return null;
      }),
    );
  }

  private async settingsChanged(): Promise<void> {
    if (this.client?.state !== State.Running) return;
    await this.client.sendNotification("workspace/didChangeConfiguration", { settings: null });
  }

  private cancelProgress(token: ProgressToken): void {
    void this.client?.sendNotification(WorkDoneProgressCancelNotification.type, { token });
  }

  private async offerToInstall(reason: string): Promise<void> {
    const install = "Install";
    const choose = "Choose the Program…";
    const text = `${reason}  Install it into a private environment?  That needs Python 3.11 or later, and the network once.`;
    const choice = await window.showInformationMessage(text, install, choose);
    if (choice === install) return this.install();
    if (choice !== choose) return;
    const [chosen] = (await window.showOpenDialog({ title: "The greenfinch program" })) ?? [];
    if (chosen === undefined) return;
    await workspace.getConfiguration("greenfinch").update("server.command", chosen.fsPath, true);
  }

  private async offerRestart(text: string): Promise<void> {
    const choice = await window.showErrorMessage(text, RESTART, SHOW_LOG);
    if (choice === RESTART) await this.restart();
    if (choice === SHOW_LOG) this.log.show();
  }
}

/** Questions to one server, about the edits that it wants applied. */
function askerOf(client: () => Client): Asker {
  const ask = async <Answer>(command: string, job: string): Promise<Answer | undefined> => {
    const request: Promise<Answer> = client().sendRequest(ExecuteCommandRequest.type, {
      command,
      arguments: [{ job }],
    });
    const answer = request.catch(() => undefined); // an older server does not know the command
    return Promise.race([answer, delay(ASK_MILLISECONDS, undefined)]);
  };
  const hasEnded = () => client().state !== State.Running;
  return {
    isWaiting: async (job) => {
      if (hasEnded()) return false;
      const status = await ask<{ jobs: Job[] }>("greenfinch.status", job);
      return status?.jobs.some(({ state }) => state === "running");
    },
    holds: async (job) => {
      if (hasEnded()) return { holds: false, reason: "the server that has verified it has ended" };
      return ask<Held>("greenfinch.holds", job);
    },
  };
}

/** Rejects once a server has had its time to start, and before that when the start is broken off. */
async function patience(signal: AbortSignal): Promise<never> {
  await delay(START_MILLISECONDS, undefined, { signal });
  throw new LateError(`it has not answered for ${START_MILLISECONDS / 1000} seconds, and was ended`);
}

async function wantsAnother({ file, from }: Command): Promise<boolean> {
  const another = "Install Anyway";
  const text = `Greenfinch's server is there already, and runs: ${file} (${from}).`;
  return (await window.showInformationMessage(text, another)) === another;
}
