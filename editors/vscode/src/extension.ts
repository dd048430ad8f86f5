/** Greenfinch in VS Code: puts the parts together. */
import { type ExtensionContext, window } from "vscode";
import { registerCommands } from "./commands";
import { PrivateEnvironment } from "./install";
import { Pages } from "./pages";
import { Confirmations } from "./preview";
import { Interpreters } from "./python";
import { Server } from "./server";
import { StatusItem } from "./status";

let server: Server | undefined;

export function activate(context: ExtensionContext): void {
  const log = window.createOutputChannel("Greenfinch", { log: true });
  const interpreters = new Interpreters(log);
  const pages = new Pages();
  const environment = new PrivateEnvironment(context, interpreters, log);
  const confirmations = new Confirmations(pages);
  server = new Server(context, environment, interpreters, pages, confirmations, log);
  const commands = registerCommands({ context, server, pages, confirmations, log });
  context.subscriptions.push(log, interpreters, pages, server, new StatusItem(server), ...commands);
  void server.restart();
}

export function deactivate(): Promise<void> | undefined {
  return server?.stop();
}
