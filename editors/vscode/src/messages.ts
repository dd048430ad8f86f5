/** The server's messages to the user, and its questions; beside one that ends a run stands the way to its account. */
import { commands, type MessageItem, window } from "vscode";
import {
  type MessageActionItem,
  MessageType,
  type ShowMessageParams,
  type ShowMessageRequestParams,
} from "vscode-languageclient/node";
import type { Status } from "./protocol";

const SHOW_RUN = "Show Run";
const WITH_ACCOUNT = ["passed", "not passed", "not applied"]; // states of a run in which something was tried
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
    const last = status()?.last;
    return !!last?.message && WITH_ACCOUNT.includes(last.state) && params.message.includes(last.message);
  };
  if (!endsRun()) await new Promise((resolve) => setTimeout(resolve, STATUS_MILLISECONDS)); // it may come behind
  const buttons = endsRun() ? [SHOW_RUN] : [];
  if ((await show(params.message, ...buttons)) === SHOW_RUN) {
    await commands.executeCommand("greenfinch.vscode.showLastRun");
  }
}

/**
 * Let the user answer a question, which a job waits for.
 *
 * In a dialog: a notification would hide itself after some seconds, and with it the question.
 */
export async function ask({ message, actions }: ShowMessageRequestParams): Promise<MessageActionItem | null> {
  const [question = "", ...rest] = message.split(/ {2}(?=\S)/);
  const titles = (actions ?? []).map(({ title }) => title);
  const items = titles.map((title, index): MessageItem => ({ title, isCloseAffordance: isRefusal(titles, index) }));
  const options = { modal: true, detail: rest.join("\n\n") };
  const chosen = await window.showInformationMessage(question, options, ...items);
  return chosen === undefined ? null : { title: chosen.title };
}

/** The last of several answers is the one that changes nothing; Escape means it, too. */
function isRefusal(titles: string[], index: number): boolean {
  return titles.length > 1 && index === titles.length - 1;
}
