/** The interpreter that the Python extension has chosen for a folder, and word of its changes. */
import type { PythonExtension } from "@vscode/python-extension";
import { type Disposable, EventEmitter, extensions, type LogOutputChannel, type Uri, workspace } from "vscode";

const PYTHON_EXTENSION = "ms-python.python";
const PATIENCE = 2_000; // milliseconds; the Python extension can take long to start

export class Interpreters implements Disposable {
  private readonly changed = new EventEmitter<void>();
  private readonly subscriptions: Disposable[] = [this.changed];
  private readonly resolved = new Map<string, string>();
  private connecting: Promise<PythonExtension | undefined> | undefined;

  /** The interpreter of some folder is another one now. */
  readonly onDidChange = this.changed.event;

  constructor(private readonly log: LogOutputChannel) {
    this.subscriptions.push(
      extensions.onDidChange(() => {
        if (this.connecting === undefined && extensions.getExtension(PYTHON_EXTENSION) !== undefined) {
          this.changed.fire();
        }
      }),
      workspace.onDidChangeConfiguration((event) => {
        if (event.affectsConfiguration("python.defaultInterpreterPath")) this.changed.fire();
      }),
    );
  }

  /**
   * The interpreter for a folder: the Python extension's choice where that is installed, else what its setting
   * `python.defaultInterpreterPath` says; undefined where nobody has chosen one.
   */
  async of(scope?: Uri): Promise<string | undefined> {
    const environments = (await this.api())?.environments;
    if (environments !== undefined) {
      const path = environments.getActiveEnvironmentPath(scope);
      const known = this.resolved.get(path.id);
      if (known !== undefined) return known;
      const executable = (await environments.resolveEnvironment(path))?.executable.uri?.fsPath;
      if (executable !== undefined) {
        this.resolved.set(path.id, executable);
        return executable;
      }
    }
    return workspace.getConfiguration("python", scope).get<string>("defaultInterpreterPath") || undefined;
  }

  /** The same for one who cannot wait: undefined while that takes long, and word of a change when it is known. */
  async soon(scope?: Uri): Promise<string | undefined> {
    const chosen = this.of(scope);
    const late = Symbol("late");
    const first = await Promise.race([chosen, new Promise<symbol>((resolve) => setTimeout(resolve, PATIENCE, late))]);
    if (typeof first !== "symbol") return first;
    void chosen.then((path) => path !== undefined && this.changed.fire());
    return undefined;
  }

  dispose(): void {
    for (const each of this.subscriptions) each.dispose();
  }

  private api(): Promise<PythonExtension | undefined> {
    this.connecting ??= this.connect();
    return this.connecting;
  }

  private async connect(): Promise<PythonExtension | undefined> {
    const extension = extensions.getExtension<PythonExtension>(PYTHON_EXTENSION);
    if (extension === undefined) {
      this.connecting = undefined;
      return undefined;
    }
    try {
      const api = await extension.activate();
      await api.ready;
      this.subscriptions.push(api.environments.onDidChangeActiveEnvironmentPath(() => this.changed.fire()));
      return api;
    } catch (error) {
      this.log.warn(`The Python extension could not be asked for its interpreter: ${error}`);
      return undefined;
    }
  }
}
