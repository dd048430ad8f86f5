/** The server's messages to the user; beside one that ends a run stands the way to the run's account. */
import { commands, window } from "vscode";
import { MessageType, type ShowMessageParams } from "vscode-languageclient/node";
import type { Status } from "./protocol";

const SHOW_RUN = "Show Run";
const STATUS_MILLISECONDS = 200;

/** Show a message; `status` gives the latest that the server has said of itself. */
export async function showMessage(params: ShowMessageParams, status: () => Status | undefined): Promise<void> {
  const show = {
    [MessageType.Error]: window.showErrorMessage,
    [MessageType.Warning]: window.showWarningMessage,
    [MessageType.Info]: window.showInformationMessage,
    [MessageType.Log]: window.showInformationMessage,
    [MessageType.Debug]: window.showInformationMessage,
  }[params.type];
  const endsRun = () => {
    const last = status()?.last?.message;
    return last !== undefined && last !== "" && params.message.includes(last);
  };
  if (!endsRun()) await new Promise((resolve) => setTimeout(resolve, STATUS_MILLISECONDS)); // it may come behind
  const buttons = endsRun() ? [SHOW_RUN] : [];
  if ((await show(params.message, ...buttons)) === SHOW_RUN) {
    await commands.executeCommand("greenfinch.vscode.showLastRun");
  }
}
