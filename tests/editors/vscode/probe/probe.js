// Plays the scenarios named in the file $GREENFINCH_PROBE, one after the other, and writes what each of them saw.
// It judges nothing: that is tests/editors/test_vscode.py's business.
const fs = require("node:fs");
const vscode = require("vscode");
const scenarios = require("./scenarios");

exports.activate = () => {
  if (process.env.GREENFINCH_PROBE)
    setTimeout(() => play(JSON.parse(fs.readFileSync(process.env.GREENFINCH_PROBE))), 0);
};

async function play(plan) {
  const seen = {};
  for (const name of plan.scenarios) {
    const begun = Date.now();
    try {
      seen[name] = await scenarios[name](plan);
    } catch (error) {
      seen[name] = { error: String(error?.stack ?? error) };
    }
    seen[name].seconds = (Date.now() - begun) / 1000;
    fs.writeFileSync(plan.seen, JSON.stringify(seen, null, 1));
    await vscode.commands.executeCommand("workbench.action.closeAllEditors");
  }
  fs.writeFileSync(plan.done, "");
}
