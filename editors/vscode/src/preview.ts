/**
 * A winner shown as a difference before it is applied, where its user wants to be asked (`confirm_edit`).
 *
 * The editor's own preview of a refactoring would do, but leaves all that needs a confirmation unticked: "Apply" there
 * applies nothing.
 */
import {
  CancellationTokenSource,
  commands,
  Position,
  TabInputTextDiff,
  type TextDocument,
  Uri,
  window,
  workspace,
} from "vscode";
import {
  type ApplyWorkspaceEditParams,
  type ApplyWorkspaceEditResult,
  TextDocumentEdit,
  type TextEdit,
  type WorkspaceMiddleware,
} from "vscode-languageclient/node";
import type { Pages } from "./pages";

const APPLY = "Apply";
const DISCARD = "Discard";

/** For the client's middleware. */
export function confirming(pages: Pages): NonNullable<WorkspaceMiddleware["handleApplyEdit"]> {
  return async (params, next) => {
    const { token } = new CancellationTokenSource();
    const annotations = Object.values(params.edit.changeAnnotations ?? {});
    if (!annotations.some(({ needsConfirmation }) => needsConfirmation)) return next(params, token);
    if (!(await isWanted(params, pages))) return refused;
    for (const annotation of annotations) annotation.needsConfirmation = false;
    return next(params, token);
  };
}

const refused: ApplyWorkspaceEditResult = { applied: false, failureReason: "you did not want it" };

async function isWanted({ edit, label }: ApplyWorkspaceEditParams, pages: Pages): Promise<boolean> {
  const shown: Uri[] = [];
  for (const change of (edit.documentChanges ?? []).filter(TextDocumentEdit.is)) {
    const document = await workspace.openTextDocument(Uri.parse(change.textDocument.uri));
    const after = pages.hold(document.uri.path, edited(document, change.edits as TextEdit[]));
    shown.push(after);
    await commands.executeCommand("vscode.diff", document.uri, after, label, { preserveFocus: true });
  }
  // A message would hide itself after some seconds, and with it the question.
  const choice = await window.showQuickPick([APPLY, DISCARD], { title: label ?? "It passes", ignoreFocusOut: true });
  await window.tabGroups.close(
    window.tabGroups.all
      .flatMap(({ tabs }) => tabs)
      .filter(({ input }) => input instanceof TabInputTextDiff && shown.some((uri) => isSame(uri, input.modified))),
  );
  return choice === APPLY;
}

/** The text of a document after edits, whose positions are all in the text before. */
function edited(document: TextDocument, edits: TextEdit[]): string {
  const offset = ({ line, character }: { line: number; character: number }) =>
    document.offsetAt(new Position(line, character));
  return edits
    .map(({ range, newText }) => ({ start: offset(range.start), end: offset(range.end), newText }))
    .sort((one, other) => other.start - one.start)
    .reduce((text, { start, end, newText }) => text.slice(0, start) + newText + text.slice(end), document.getText());
}

function isSame(one: Uri, other: Uri): boolean {
  return one.toString() === other.toString();
}
