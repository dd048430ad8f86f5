/** The doctor's page: what this editor found, then what the server's own doctor found, each with its remedy. */
import { type ExtensionContext, version as editorVersion, env, window, workspace } from "vscode";
import type { Finding, Job } from "./protocol";
import type { Server } from "./server";

const DOCTOR_MILLISECONDS = 60_000;
const POLL_MILLISECONDS = 200;

export async function examine(context: ExtensionContext, server: Server): Promise<string> {
  const theirs = (await server.settled()).is === "running" ? await serverFindings(server) : [];
  const lines = ["# Greenfinch on this machine", "", "| | | found |", "|---|---|---|"];
  for (const finding of [...editorFindings(context, server), ...theirs]) {
    const mark = finding.ok ? (finding.remedy ? "●" : "✓") : "✗";
    const remedy = finding.remedy ? `<br>→ ${cell(finding.remedy)}` : "";
    lines.push(`| ${mark} | **${finding.what}** | ${cell(finding.found)}${remedy} |`);
  }
  return `${lines.join("\n")}\n\n✓ found · ✗ missing · ● found, could be better\n`;
}

function editorFindings(context: ExtensionContext, { condition }: Server): Finding[] {
  const extension = String(context.extension.packageJSON.version);
  return [
    { what: "editor", ok: true, found: `${env.appName} ${editorVersion}, extension ${extension}`, remedy: "" },
    {
      what: "workspace trust",
      ok: workspace.isTrusted,
      found: workspace.isTrusted ? "trusted" : "not trusted, so nothing is run",
      remedy: workspace.isTrusted ? "" : "Command “Workspaces: Manage Workspace Trust”.",
    },
    {
      what: "server",
      ok: condition.is === "running",
      found: condition.is === "running" ? `${condition.command.file} (${condition.command.from})` : condition.is,
      remedy: {
        running: "",
        starting: "Wait a moment.",
        untrusted: "Trust the workspace.",
        missing: "Command “Greenfinch: Install the Server”.",
        down: "Command “Greenfinch: Restart the Server”; the log has more.",
      }[condition.is],
    },
  ];
}

/** The server's job of that name, waited for. */
async function serverFindings(server: Server): Promise<Finding[]> {
  const uri = window.activeTextEditor?.document.uri ?? workspace.workspaceFolders?.[0]?.uri;
  const argument = { show: false, ...(uri && { uri: uri.toString() }) };
  const started = await server.execute<{ job: string }>("greenfinch.doctor", argument);
  const end = Date.now() + DOCTOR_MILLISECONDS;
  while (started !== undefined && Date.now() < end) {
    const status = await server.execute<{ jobs: Job[] }>("greenfinch.status", { job: started.job });
    const job = status?.jobs.find((each) => each.job === started.job);
    if (job === undefined) break;
    if (job.result) return job.result.findings;
    if (job.state !== "running") return [missing(job.message)];
    await new Promise((resolve) => setTimeout(resolve, POLL_MILLISECONDS));
  }
  return [missing("the server did not say")];
}

function missing(found: string): Finding {
  return { what: "the rest", ok: false, found, remedy: "Run `greenfinch doctor` in a terminal." };
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ").replaceAll("<", "&lt;");
}
