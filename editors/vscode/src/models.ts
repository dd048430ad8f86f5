/** Choosing a model to pull. */
import { type QuickPickItem, window } from "vscode";
import { run } from "./processes";
import type { Server } from "./server";

const LIST_MILLISECONDS = 30_000;

/** One line of `greenfinch models list --json`; `size` in bytes. */
interface Model {
  name: string;
  size: number;
  quantization: string;
  licence: string;
  installed: boolean;
  default: boolean;
}

/** Let the user choose a model, and pull it. */
export async function pullModel(server: Server): Promise<void> {
  const condition = await server.settled();
  if (condition.is !== "running") return server.explain();
  const listing = run(condition.command.file, ["models", "list", "--json"], { timeout: LIST_MILLISECONDS });
  const items = listing.then(({ stdout }) => stdout.map((line) => item(JSON.parse(line) as Model)));
  const chosen = await window.showQuickPick(items, { title: "Pull a model onto this machine", matchOnDetail: true });
  if (chosen !== undefined) await server.execute("greenfinch.pullModel", { model: chosen.label });
}

function item(model: Model): QuickPickItem {
  return {
    label: model.name,
    description: `${(model.size / 1e9).toFixed(1)} GB${model.installed ? " · installed" : ""}`,
    detail: `${model.default ? "The default.  " : ""}${model.quantization}, licence ${model.licence}`,
  };
}
