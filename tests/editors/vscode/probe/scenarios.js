// What a user might do with Greenfinch; each scenario returns what it saw.
const fs = require("node:fs");
const vscode = require("vscode");
const { action, actions, choose, ended, file, jobs, open, pause, says, servers, tabs, type, until } = require("./user");

const IMPLEMENT = "Generate & verify implementation";
const SLUGIFY = "def slugify";

exports.attach = async () => {
  const { document } = await open("words.py");
  const listed = await action(document, SLUGIFY, IMPLEMENT);
  return {
    editor: `${vscode.env.appName} ${vscode.version}`,
    active: vscode.extensions.getExtension("greenfinch.greenfinch").isActive,
    attached: listed !== undefined,
    servers: servers().length,
  };
};

exports.listed = async () => {
  const { document } = await open("words.py");
  await action(document, SLUGIFY, IMPLEMENT);
  const described = async (marker, kind) =>
    (await actions(document, marker, kind)).map(({ title, kind }) => ({ title, kind: kind?.value }));
  return {
    function: await described(SLUGIFY),
    refactor: await described(SLUGIFY, "refactor"),
    class: await described("class Box"),
    file: await described('"""Words'),
    done: await described("return 1"),
  };
};

/** A run that passes: its progress, the text, and what one undo makes of it. */
async function implemented(editing, marker, title) {
  const { document } = editing;
  const before = document.getText();
  const chosen = await action(document, marker, title);
  const end = await ended(await choose(chosen));
  const after = document.getText();
  const saved = fs.readFileSync(document.uri.fsPath, "utf8");
  await vscode.window.showTextDocument(document);
  await vscode.commands.executeCommand("undo");
  await until(() => document.getText() === before, 5);
  const undone = document.getText();
  return { before, after, saved, undone, end, label: chosen.title };
}

exports.implement = async (plan) => {
  says(plan, plan.bad, { text: plan.good, delay_per_token: 0.5 });
  return implemented(await open("words.py"), SLUGIFY, IMPLEMENT);
};

/** Implement what the cursor is on, by the command that the context menu has; how that ends. */
async function implementedAt({ document, editor }, marker) {
  const at = document.positionAt(document.getText().indexOf(marker));
  editor.selection = new vscode.Selection(at, at);
  const { job } = await vscode.commands.executeCommand("greenfinch.vscode.implement");
  return ended(job);
}

exports.command = async (plan) => {
  says(plan, plan.good);
  const editing = await open("words.py");
  const { document } = editing;
  await action(document, SLUGIFY, IMPLEMENT);
  const end = await implementedAt(editing, SLUGIFY);
  const after = document.getText();
  await vscode.commands.executeCommand("undo");
  return { end, after };
};

/** The model that the settings name is not there; the browser answers the question that this leads to. */
exports.noModel = async (plan) => {
  const configuration = vscode.workspace.getConfiguration("greenfinch");
  await configuration.update("model", plan.absent, vscode.ConfigurationTarget.Global);
  await pause(500);
  const editing = await open("words.py");
  const before = editing.document.getText();
  const end = await implementedAt(editing, SLUGIFY);
  await configuration.update("model", plan.present, vscode.ConfigurationTarget.Global);
  await pause(500);
  return { end, unchanged: editing.document.getText() === before };
};

exports.realModel = async () => implemented(await open("words.py"), SLUGIFY, IMPLEMENT);

exports.wholeClass = async (plan) => {
  says(
    plan,
    { match: "put", text: "        self.items.append(item)\n" },
    { match: "count", text: "        return len(self.items)\n" },
  );
  return implemented(await open("words.py"), "class Box", "Implement all stubs in this class");
};

exports.cancel = async (plan) => {
  says(plan, { text: "    title = title\n", repeat: true, delay_per_token: 0.05 });
  const { document } = await open("words.py");
  const { version } = document;
  const job = await choose(await action(document, SLUGIFY, IMPLEMENT));
  await until(async () => (await jobs()).find((each) => each.job === job)?.message.includes("tok/s"));
  const offered = (await actions(document, SLUGIFY)).map(({ title }) => title);
  const begun = Date.now();
  await vscode.commands.executeCommand("greenfinch.vscode.cancel");
  const end = await ended(job);
  return { end, offered, after: Date.now() - begun, unchanged: document.version === version && !document.isDirty };
};

exports.failing = async (plan) => {
  says(plan, plan.bad);
  const { document } = await open("words.py");
  const { version } = document;
  const job = await choose(await action(document, SLUGIFY, IMPLEMENT));
  const end = await ended(job);
  const shown = await until(() => tabs().find((tab) => tab.file?.endsWith(".md")), 60);
  const report = shown ? fs.readFileSync(shown.file, "utf8") : "";
  return { end, shown, report, unchanged: document.version === version };
};

/** Both the stub and the test that decides exist in unsaved buffers alone. */
exports.unsaved = async (plan) => {
  says(plan, plan.good, '    return "_".join(title.lower().split())\n');
  const tests = await open("test_words.py");
  await type(tests, 'slugify("Hello World") == "hello-world"', 'snake("Hello World") == "hello_world"');
  await type(tests, "import Box, done, slugify", "import Box, done, slugify, snake");
  const editing = await open("words.py");
  await type(editing, "def slugify", 'def snake(title):\n    """Join words."""\n    ...\n\n\ndef slugify');
  const seen = await implemented(editing, "def snake", IMPLEMENT);
  const stillDirty = tests.document.isDirty && editing.document.isDirty;
  for (const { document } of [tests, editing]) {
    await vscode.window.showTextDocument(document);
    await vscode.commands.executeCommand("workbench.action.files.revert");
  }
  return { ...seen, stillDirty, tests: fs.readFileSync(file("test_words.py").fsPath, "utf8") };
};

exports.secondFolder = async (plan) => {
  says(plan, "    return unit(value) * 2\n");
  return implemented(await open("geometry/area.py"), "def double", IMPLEMENT);
};

exports.lastRun = async () => {
  await vscode.commands.executeCommand("greenfinch.vscode.showLastRun");
  const shown = await until(() => tabs().find((tab) => tab.file?.endsWith(".md")), 60);
  return { shown, page: shown ? fs.readFileSync(shown.file, "utf8") : "" };
};

exports.lenses = async () => {
  const { document } = await open("words.py");
  await action(document, SLUGIFY, IMPLEMENT);
  const lenses = () => vscode.commands.executeCommand("vscode.executeCodeLensProvider", document.uri, 10);
  const without = (await lenses()).map((lens) => lens.command?.title);
  const configuration = vscode.workspace.getConfiguration("greenfinch");
  await configuration.update("code_lens", true, vscode.ConfigurationTarget.Global);
  const found = await until(async () => {
    const shown = await lenses();
    return shown.length > 0 ? shown : undefined;
  });
  await configuration.update("code_lens", undefined, vscode.ConfigurationTarget.Global);
  return {
    without,
    titles: found.map((lens) => lens.command?.title),
    commands: found.map((lens) => lens.command?.command),
  };
};

exports.interpreter = async (plan) => {
  const python = vscode.extensions.getExtension("ms-python.python").exports;
  const reported = async () => {
    says(plan, plan.bad);
    const { document } = await open("words.py");
    await ended(await choose(await action(document, SLUGIFY, IMPLEMENT)));
    const shown = await until(() => tabs().find((tab) => tab.file?.endsWith(".md")), 60);
    const report = fs.readFileSync(shown.file, "utf8");
    await vscode.commands.executeCommand("workbench.action.closeAllEditors");
    return /- interpreter: ([^;]*)/.exec(report)[1];
  };
  const first = await reported();
  python.choose(plan.otherPython);
  await pause(500);
  const second = await reported();
  return { first, second };
};

exports.settings = async (plan) => {
  const configuration = vscode.workspace.getConfiguration("greenfinch");
  const tried = async () => {
    says(plan, plan.bad);
    const { document } = await open("words.py");
    return (await ended(await choose(await action(document, SLUGIFY, IMPLEMENT)))).lines;
  };
  const first = await tried();
  await configuration.update("candidates", 2, vscode.ConfigurationTarget.Global);
  await pause(500);
  const second = await tried();
  await configuration.update("candidates", undefined, vscode.ConfigurationTarget.Global);
  await pause(500);
  return { first, second, third: await tried() };
};

exports.doctor = async () => {
  await open("words.py");
  await vscode.commands.executeCommand("greenfinch.vscode.doctor");
  const page = await until(() => vscode.workspace.textDocuments.find(({ uri }) => uri.scheme === "greenfinch"), 60);
  return { page: page?.getText() ?? "", tabs: tabs() };
};

exports.crash = async () => {
  const { document } = await open("words.py");
  await action(document, SLUGIFY, IMPLEMENT);
  const pids = [];
  for (let time = 0; time < 3; time++) {
    const [pid] = servers();
    pids.push(pid);
    process.kill(pid, "SIGKILL");
    await until(() => servers().length === 1 && !pids.includes(servers()[0]), 60);
    await until(async () => (await actions(document, SLUGIFY)).length > 0, 60);
  }
  process.kill(servers()[0], "SIGKILL");
  await pause(2000);
  const left = servers().length;
  await vscode.commands.executeCommand("greenfinch.vscode.restartServer");
  return { pids, left, back: (await action(document, SLUGIFY, IMPLEMENT)) !== undefined };
};

/** Start a run at a stub; its job, once its edit waits to be confirmed. */
async function waiting(editing, marker) {
  const job = await choose(await action(editing.document, marker, IMPLEMENT));
  return (await isWaiting(job)) ? job : undefined;
}

function isWaiting(job) {
  return until(async () => (await jobs()).find((each) => each.job === job)?.message.includes("confirm the edit"));
}

function differences() {
  return vscode.window.tabGroups.all
    .flatMap(({ tabs }) => tabs)
    .filter(({ input }) => input instanceof vscode.TabInputTextDiff);
}

/** The list of answers is hidden by another quick input; the page then clicks on a button above the difference. */
exports.otherInput = async (plan) => {
  says(plan, plan.good);
  const editing = await open("words.py");
  const end = await ended(await waiting(editing, SLUGIFY));
  const after = editing.document.getText();
  await vscode.window.showTextDocument(editing.document);
  await vscode.commands.executeCommand("undo");
  return { end, after };
};

exports.twoAtOnce = async (plan) => {
  says(plan, { match: "slugify", text: plan.good }, { match: "double", text: "    return unit(value) * 2\n" });
  const editing = [await open("words.py"), await open("geometry/area.py")];
  const begun = [];
  for (const [index, marker] of [SLUGIFY, "def double"].entries()) {
    begun.push(await choose(await action(editing[index].document, marker, IMPLEMENT)));
  }
  const ends = await Promise.all(begun.map((job) => ended(job)));
  for (const { document } of editing) {
    await vscode.window.showTextDocument(document);
    await vscode.commands.executeCommand("undo");
  }
  return { ends };
};

exports.closed = async (plan) => {
  says(plan, plan.good);
  const editing = await open("words.py");
  const job = await waiting(editing, SLUGIFY);
  await until(() => differences().length > 0);
  await open("test_words.py"); // beside it, not in its place
  await pause(1000);
  const stayed = differences().length === 1 && (await jobs()).find((each) => each.job === job).state === "running";
  await vscode.window.tabGroups.close(differences());
  return { stayed, end: await ended(job), dirty: editing.document.isDirty };
};

exports.cancelledMeanwhile = async (plan) => {
  says(plan, plan.good);
  const editing = await open("words.py");
  const job = await waiting(editing, SLUGIFY);
  await until(() => differences().length > 0);
  await vscode.commands.executeCommand("greenfinch.vscode.cancel");
  const dismissed = await until(() => differences().length === 0, 10);
  await vscode.commands.executeCommand("greenfinch.vscode.applyChange"); // too late
  await pause(1000);
  return { end: await ended(job), dismissed, dirty: editing.document.isDirty };
};

/** The tests are changed while the difference stands. */
exports.outdated = async (plan) => {
  says(plan, plan.good);
  const tests = await open("test_words.py");
  const editing = await open("words.py");
  const job = await waiting(editing, SLUGIFY);
  await until(() => differences().length > 0);
  await type({ ...tests, editor: await vscode.window.showTextDocument(tests.document) }, "hello-world", "hello_world");
  await pause(500);
  await vscode.commands.executeCommand("greenfinch.vscode.applyChange");
  const end = await ended(job);
  await vscode.window.showTextDocument(tests.document);
  await vscode.commands.executeCommand("workbench.action.files.revert");
  return { end, dirty: editing.document.isDirty };
};

/** The program becomes one that cannot be started, then one that never answers, and each time what it was. */
exports.stuck = async () => {
  const program = vscode.workspace.getConfiguration("greenfinch").get("server.command");
  const [working, pid] = [fs.readFileSync(program, "utf8"), `${program}.pid`];
  const silent = `#!/bin/sh\necho $$ > "${pid}"\nexec sleep 1000\n`;
  const restart = () => vscode.commands.executeCommand("greenfinch.vscode.restartServer");
  const isGone = () => {
    try {
      process.kill(Number(fs.readFileSync(pid, "utf8")), 0);
      return false;
    } catch {
      return true;
    }
  };
  const { document } = await open("words.py");
  await action(document, SLUGIFY, IMPLEMENT);
  fs.writeFileSync(program, "#!/nowhere\n");
  process.kill(servers()[0], "SIGKILL");
  await until(() => servers().length === 0);
  await pause(3000);
  void vscode.commands.executeCommand("greenfinch.vscode.cancel");
  await pause(1000);

  fs.writeFileSync(program, silent);
  void restart();
  await until(() => fs.existsSync(pid), 20);
  fs.writeFileSync(program, working);
  const begun = Date.now();
  await restart();
  const brokenOff = { seconds: (Date.now() - begun) / 1000, gone: isGone(), servers: servers().length };

  fs.rmSync(pid);
  fs.writeFileSync(program, silent);
  const again = Date.now();
  await restart();
  const late = { seconds: (Date.now() - again) / 1000, gone: isGone() };
  fs.writeFileSync(program, working);
  await restart();
  return { brokenOff, late, back: (await action(document, SLUGIFY, IMPLEMENT)) !== undefined };
};

/** A server of another kind asks for the settings of each scope. */
exports.scopes = async (plan) => {
  await open("words.py");
  await until(() => fs.existsSync(plan.answers), 60);
  return { answers: JSON.parse(fs.readFileSync(plan.answers, "utf8")) };
};

/** Each folder of a workspace has its own settings. */
exports.folderSettings = async (plan) => {
  const configuration = vscode.workspace.getConfiguration("greenfinch", file("geometry/area.py"));
  await configuration.update("candidates", 2, vscode.ConfigurationTarget.WorkspaceFolder);
  await pause(500);
  says(plan, "    return value\n");
  const tried = async (name, marker) => {
    const { document } = await open(name);
    return (await ended(await choose(await action(document, marker, IMPLEMENT)))).lines;
  };
  const seen = { second: await tried("geometry/area.py", "def double"), first: await tried("words.py", SLUGIFY) };
  await configuration.update("candidates", undefined, vscode.ConfigurationTarget.WorkspaceFolder);
  await pause(500);
  return seen;
};

exports.untrusted = async () => {
  const { document } = await open("words.py");
  await pause(3000);
  void vscode.commands.executeCommand("greenfinch.vscode.implement");
  await pause(1500);
  return {
    trusted: vscode.workspace.isTrusted,
    active: vscode.extensions.getExtension("greenfinch.greenfinch").isActive,
    servers: servers().length,
    actions: (await actions(document, SLUGIFY)).length,
    commands: (await vscode.commands.getCommands()).filter((name) => /^greenfinch\.(?!vscode)/.test(name)),
    command: vscode.workspace.getConfiguration("greenfinch").get("server.command"),
  };
};

/** The command lines of the servers that run. */
function running() {
  return servers().flatMap((pid) => fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0"));
}

/** The server is there and runs, and is to be installed nevertheless, which fails; the browser answers. */
exports.reinstall = async () => {
  const { document } = await open("words.py");
  await action(document, SLUGIFY, IMPLEMENT);
  const before = servers();
  await vscode.commands.executeCommand("greenfinch.vscode.installServer");
  return { before, after: servers(), attached: (await action(document, SLUGIFY, IMPLEMENT)) !== undefined };
};

/** There is no server, until one is that another window has installed. */
exports.elsewhere = async () => {
  const { document } = await open("words.py");
  await action(document, SLUGIFY, IMPLEMENT);
  await pause(1000);
  return { running: running() };
};

/** There is no server; the browser clicks on what is offered, and then it is there. */
exports.install = async (plan) => {
  const { document } = await open("words.py");
  await until(() => servers().length > 0);
  says(plan, plan.good);
  const chosen = await action(document, SLUGIFY, IMPLEMENT);
  const end = await ended(await choose(chosen));
  const after = document.getText();
  await vscode.commands.executeCommand("undo"); // a changed text would ask to be saved when it is closed
  return { running: running(), end, after };
};
