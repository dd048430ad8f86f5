/** The language status item: model, host, what is running, and the last proof. */
import { type Command, commands, type Disposable, LanguageStatusSeverity, languages } from "vscode";
import type { Status } from "./protocol";
import type { Condition, Server } from "./server";

const MOST = 66; // characters of a part of the item's detail
const NOTHING_YET: Status = { model: "", host: "", busy: [], last: null };

export class StatusItem implements Disposable {
  private readonly item = languages.createLanguageStatusItem("greenfinch", { scheme: "file", language: "python" });
  private readonly subscriptions: Disposable[];

  constructor(private readonly server: Server) {
    this.item.name = "Greenfinch";
    this.subscriptions = [
      this.item,
      server.onDidChangeCondition(() => this.show()),
      server.onDidChangeStatus(({ model, last }) => {
        void commands.executeCommand("setContext", "greenfinch.modelReady", model !== "");
        if (last?.passed) void commands.executeCommand("setContext", "greenfinch.hasImplemented", true);
        this.show();
      }),
    ];
    this.show();
  }

  dispose(): void {
    for (const each of this.subscriptions) each.dispose();
  }

  private show(): void {
    const { condition, status } = this.server;
    if (condition.is === "running") this.showRunning(status ?? NOTHING_YET);
    else this.showOther(condition);
  }

  private showRunning({ model, host, busy, last }: Status): void {
    this.item.severity = LanguageStatusSeverity.Information;
    this.item.busy = busy.length > 0;
    this.item.text = model ? `$(sparkle) ${model}` : "$(sparkle) Greenfinch: no model yet";
    const now = busy.length > 0 ? `at work on ${busy.join(", ")}` : last?.message;
    this.item.detail = model ? [where(host), now].filter(Boolean).map(brief).join(" · ") : "";
    this.item.command =
      busy.length > 0
        ? link("Cancel", "greenfinch.vscode.cancel")
        : model
          ? link("Last Run", "greenfinch.vscode.showLastRun")
          : link("Pull a Model", "greenfinch.vscode.pullModel");
  }

  private showOther(condition: Other): void {
    const { text, detail, command } = described(condition);
    this.item.busy = condition.is === "starting";
    this.item.severity = this.item.busy ? LanguageStatusSeverity.Information : LanguageStatusSeverity.Warning;
    this.item.text = text;
    this.item.detail = detail;
    this.item.command = command;
  }
}

/** Where the latest tokens came from; nothing before the first have come. */
function where(host: string): string {
  return host === "not started" ? "" : host;
}

/** As much of a line as fits beside the item's link: without what stands in parentheses. */
function brief(line = ""): string {
  const [head = ""] = line.split(" (");
  return head.length > MOST ? `${head.slice(0, MOST - 1)}…` : head;
}

type Other = Exclude<Condition, { is: "running" }>;

function described(condition: Other): { text: string; detail: string; command: Command } {
  switch (condition.is) {
    case "starting":
      return { text: "Greenfinch is starting", detail: "", command: link("Log", "greenfinch.vscode.showLog") };
    case "untrusted": {
      const detail = "it runs tests, and this workspace is not trusted";
      return { text: "Greenfinch is off", detail, command: link("Trust", "workbench.trust.manage") };
    }
    case "missing": {
      const command = link("Install", "greenfinch.vscode.installServer");
      return { text: "Greenfinch has no server", detail: condition.reason, command };
    }
    case "down": {
      const command = link("Restart", "greenfinch.vscode.restartServer");
      return { text: "Greenfinch's server is down", detail: condition.reason, command };
    }
  }
}

function link(title: string, command: string): Command {
  return { title, command };
}
