/** The commands of the palette and the menus. */
import { commands, type Disposable, type ExtensionContext, type LogOutputChannel, window } from "vscode";
import { examine } from "./doctor";
import { pullModel } from "./models";
import type { Pages } from "./pages";
import type { Confirmations } from "./preview";
import type { Server } from "./server";

export interface Parts {
  context: ExtensionContext;
  server: Server;
  pages: Pages;
  confirmations: Confirmations;
  log: LogOutputChannel;
}

/** Register them all; each says by itself what is missing where it cannot do its work. */
export function registerCommands({ context, server, pages, confirmations, log }: Parts): Disposable[] {
  const all: Record<string, () => Promise<unknown>> = {
    implement: () => implement(server),
    cancel: () => cancel(server),
    applyChange: async () => confirmations.answer(true),
    discardChange: async () => confirmations.answer(false),
    showLastRun: () => server.execute("greenfinch.showLastRun"),
    showReport: () => server.execute("greenfinch.showReport"),
    pullModel: () => pullModel(server),
    installServer: () => server.install(),
    restartServer: () => server.restart(),
    doctor: async () => pages.show("Greenfinch Doctor", await examine(context, server)),
    showLog: async () => log.show(),
  };
  return Object.entries(all).map(([name, run]) => commands.registerCommand(`greenfinch.vscode.${name}`, run));
}

/** Implement the function, or the stubs of the class or file, at the cursor. */
async function implement(server: Server): Promise<unknown> {
  const editor = window.activeTextEditor;
  if (editor === undefined) return undefined;
  const { document, selection } = editor;
  const { line, character } = selection.active;
  return server.execute("greenfinch.implement", {
    uri: document.uri.toString(),
    position: { line, character },
    version: document.version,
  });
}

async function cancel(server: Server): Promise<unknown> {
  const answer = await server.execute<{ cancelled: string[] }>("greenfinch.cancel");
  if (answer?.cancelled.length === 0) void window.showInformationMessage("Greenfinch: nothing is running.");
  return answer;
}
