// What a user does in the editor, by the editor's own API.
const fs = require("node:fs");
const path = require("node:path");
const vscode = require("vscode");

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Wait until `condition` gives something true, and return that; undefined when the time is over. */
async function until(condition, seconds = 120) {
  const end = Date.now() + seconds * 1000;
  while (Date.now() < end) {
    const value = await condition();
    if (value) return value;
    await pause(50);
  }
  return undefined;
}

function file(name) {
  const folders = vscode.workspace.workspaceFolders ?? [];
  const folder = folders.find(({ uri }) => fs.existsSync(path.join(uri.fsPath, name)));
  return folder && vscode.Uri.joinPath(folder.uri, name);
}

async function open(name) {
  // A window that has just begun may not know its folders yet.
  const found = await until(() => file(name), 30);
  if (!found) {
    const folders = vscode.workspace.workspaceFolders?.map(({ uri }) => uri.fsPath);
    throw new Error(`no folder of ${vscode.workspace.workspaceFile} has ${name}: ${folders}`);
  }
  const document = await vscode.workspace.openTextDocument(found);
  const editor = await vscode.window.showTextDocument(document);
  return { document, editor };
}

function place(document, marker) {
  return document.positionAt(document.getText().indexOf(marker));
}

/** The code actions at a text, asked for as the light bulb (or, with a kind, as a menu) asks. */
async function actions(document, marker, kind) {
  const at = place(document, marker);
  const found = await vscode.commands.executeCommand(
    "vscode.executeCodeActionProvider",
    document.uri,
    new vscode.Range(at, at),
    kind,
  );
  return found.filter((action) => /greenfinch/.test(`${action.kind?.value} ${action.command?.command}`));
}

/** The action whose title contains `title`, waited for: the server starts with the first Python file. */
function action(document, marker, title) {
  return until(async () => (await actions(document, marker)).find((each) => each.title.includes(title)));
}

/** Choose an action, as a click on it would; the job that it started. */
async function choose({ command }) {
  return (await vscode.commands.executeCommand(command.command, ...(command.arguments ?? []))).job;
}

async function jobs() {
  return (await vscode.commands.executeCommand("greenfinch.status")).jobs;
}

/** Wait until a job is over; how it ended, and every line of progress that was seen until then. */
async function ended(job, seconds = 240) {
  const lines = [];
  const found = await until(async () => {
    const now = (await jobs()).find((each) => each.job === job);
    if (now.state !== "running") return now;
    if (lines.at(-1) !== now.message) lines.push(now.message);
    return undefined;
  }, seconds);
  return { ...found, lines };
}

/** What the model will say in the next run. */
function says(plan, ...replies) {
  const script = { replies: replies.map((reply) => (typeof reply === "string" ? { text: reply } : reply)) };
  fs.writeFileSync(plan.script, JSON.stringify(script));
}

async function type({ document, editor }, old, text) {
  const start = place(document, old);
  const range = new vscode.Range(start, document.positionAt(document.offsetAt(start) + old.length));
  await editor.edit((builder) => builder.replace(range, text));
}

/** The open tabs, each with the file that it shows and, for a custom editor, its kind. */
function tabs() {
  return vscode.window.tabGroups.all
    .flatMap((group) => group.tabs)
    .map((tab) => ({ label: tab.label, file: tab.input?.uri?.fsPath, view: tab.input?.viewType }));
}

/** Process ids of the servers that this extension host has started. */
function servers() {
  return fs
    .readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const parent = /^PPid:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"))[1];
        return Number(parent) === process.pid && /\0serve\0/.test(fs.readFileSync(`/proc/${pid}/cmdline`, "utf8"));
      } catch {
        return false; // it has ended meanwhile
      }
    })
    .map(Number);
}

module.exports = { action, actions, choose, ended, file, jobs, open, pause, place, says, servers, tabs, type, until };
