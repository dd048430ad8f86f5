/**
 * Progress of the server's jobs, as notifications that can be cancelled.
 *
 * The client library shows progress that a server begins in the status bar only, where there is no way to cancel it.
 */
import { ProgressLocation, window } from "vscode";
import type {
  HandleWorkDoneProgressSignature,
  ProgressToken,
  WorkDoneProgressBegin,
  WorkDoneProgressEnd,
  WorkDoneProgressReport,
} from "vscode-languageclient/node";

type Value = WorkDoneProgressBegin | WorkDoneProgressReport | WorkDoneProgressEnd;

/** One notification, from its begin to its end. */
class Display {
  private reported = 0;
  private show: (value: Value) => void = () => {};
  private end: () => void = () => {};

  constructor(begin: WorkDoneProgressBegin, cancel: () => void) {
    const ended = new Promise<void>((resolve) => {
      this.end = resolve;
    });
    const options = { location: ProgressLocation.Notification, title: begin.title, cancellable: true };
    void window.withProgress(options, (progress, token) => {
      token.onCancellationRequested(cancel);
      this.show = (value) => {
        const percentage = value.kind === "end" ? undefined : value.percentage;
        const increment = percentage === undefined ? undefined : Math.max(0, percentage - this.reported);
        this.reported += increment ?? 0;
        progress.report({
          ...(value.message !== undefined && { message: value.message }),
          ...(increment !== undefined && { increment }),
        });
      };
      this.show(begin);
      return ended;
    });
  }

  report(value: WorkDoneProgressReport): void {
    this.show(value);
  }

  close(): void {
    this.end();
  }
}

/** All notifications of one server. */
export class ProgressNotifications {
  private readonly open = new Map<ProgressToken, Display>();

  /** `cancel` tells the server that its user has cancelled what the token stands for. */
  constructor(private readonly cancel: (token: ProgressToken) => void) {}

  /** For the client's middleware. */
  readonly handle = (token: ProgressToken, value: Value, next: HandleWorkDoneProgressSignature): void => {
    if (value.kind === "begin" && value.cancellable === true) {
      this.open.set(token, new Display(value, () => this.cancel(token)));
      return;
    }
    const display = this.open.get(token);
    if (display === undefined) {
      next(token, value);
    } else if (value.kind === "report") {
      display.report(value);
    } else {
      display.close();
      this.open.delete(token);
    }
  };

  /** Take all notifications away: the server that began them is gone. */
  clear(): void {
    for (const display of this.open.values()) display.close();
    this.open.clear();
  }
}
