/** The doctor's page: what this editor found, then what the server's own doctor found, each with its remedy. */
import { type ExtensionContext, version as editorVersion, env, workspace } from "vscode";
import { run } from "./processes";
import type { Interpreters } from "./python";
import type { Server } from "./server";

/** One line of `greenfinch doctor --json`. */
interface Finding {
  what: string;
  ok: boolean;
  found: string;
  remedy: string;
}

const DOCTOR_MILLISECONDS = 60_000;

export async function examine(context: ExtensionContext, server: Server, interpreters: Interpreters): Promise<string> {
  const lines = ["# Greenfinch on this machine", "", "| | | found |", "|---|---|---|"];
  for (const finding of [...editorFindings(context, server), ...(await serverFindings(server, interpreters))]) {
    const mark = finding.ok ? (finding.remedy ? "●" : "✓") : "✗";
    const remedy = finding.remedy ? `<br>→ ${cell(finding.remedy)}` : "";
    lines.push(`| ${mark} | **${finding.what}** | ${cell(finding.found)}${remedy} |`);
  }
  return `${lines.join("\n")}\n\n✓ found ✗ missing ● found, could be better\n`;
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

/** Asked of the program itself, not of the server that runs, so that a server which hangs can be examined, too. */
async function serverFindings({ condition }: Server, interpreters: Interpreters): Promise<Finding[]> {
  if (condition.is !== "running") return [];
  const folder = workspace.workspaceFolders?.[0]?.uri;
  const python = await interpreters.of(folder);
  const args = ["doctor", "--json", ...(folder === undefined ? [] : ["--root", folder.fsPath])];
  const ended = await run(condition.command.file, args, { timeout: DOCTOR_MILLISECONDS });
  const findings: Finding[] = [];
  if (python !== undefined) findings.push({ what: "interpreter in this editor", ok: true, found: python, remedy: "" });
  try {
    findings.push(...(JSON.parse(ended.stdout.at(-1) ?? "") as { findings: Finding[] }).findings);
  } catch {
    const found = ended.stderr.at(-1) ?? `it ended with ${ended.code ?? ended.signal} and said nothing`;
    findings.push({ what: "greenfinch doctor", ok: false, found, remedy: "Run it in a terminal." });
  }
  return findings;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ").replaceAll("<", "&lt;");
}
