/**
 * A winner shown as a difference before it is applied, where its user wants to be asked (`confirm_edit`).
 *
 * The editor's own preview of a refactoring would do, but leaves all that needs a confirmation unticked: "Apply" there
 * applies nothing.
 */
import { setTimeout as delay } from "node:timers/promises";
import {
  CancellationTokenSource,
  commands,
  type Disposable,
  Position,
  type QuickPickItem,
  type Tab,
  TabInputTextDiff,
  type TextDocument,
  Uri,
  window,
  workspace,
} from "vscode";
import {
  type ApplyWorkspaceEditParams,
  TextDocumentEdit,
  type TextEdit,
  type WorkspaceMiddleware,
} from "vscode-languageclient/node";
import type { Pages } from "./pages";
import type { Held } from "./protocol";

const APPLY: QuickPickItem = { label: "Apply" };
const DISCARD: QuickPickItem = { label: "Discard" };
const HINT = "Escape to read it first; the buttons above the difference do the same";
const UNWANTED = "you did not want it";
const OVER = "the run was cancelled meanwhile";
const UNSAID = "the server did not say whether it still holds";
const POLL_MILLISECONDS = 500;
const MOVE_MILLISECONDS = 300; // a tab on its way to another group is nowhere for a moment
const STANDING = "greenfinch.confirming"; // context of the commands that answer

/** What is asked of the server that an edit is from; undefined: it does not say. */
export interface Asker {
  /** Whether a job still waits for the answer. */
  isWaiting(job: string): Promise<boolean | undefined>;
  /** Whether its proof still is one.  Asked once and at last: where it is, the job cannot be cancelled from then on. */
  holds(job: string): Promise<Held | undefined>;
}

/** Asks about edits, one at a time. */
export class Confirmations {
  private turn: Promise<unknown> = Promise.resolve();
  private question: Question | undefined;

  constructor(private readonly pages: Pages) {}

  /** For the client's middleware. */
  confirming(asker: Asker): NonNullable<WorkspaceMiddleware["handleApplyEdit"]> {
    return async (params, next) => {
      const { token } = new CancellationTokenSource();
      const annotations = Object.values(params.edit.changeAnnotations ?? {});
      if (!annotations.some(({ needsConfirmation }) => needsConfirmation)) return next(params, token);
      const job = jobOf(params);
      const answered = this.turn.then(async () => {
        const refusal = await this.refusal(params, job, asker);
        if (refusal !== undefined) return { applied: false, failureReason: refusal };
        for (const annotation of annotations) annotation.needsConfirmation = false;
        return next(params, token);
      });
      this.turn = answered.then(
        () => {},
        () => {},
      );
      return answered;
    };
  }

  /** Answer the question that stands, if one does. */
  answer(apply: boolean): void {
    this.question?.settle(apply ? undefined : UNWANTED);
  }

  /** Why the edit is not to be applied; undefined if it is. */
  private async refusal(
    params: ApplyWorkspaceEditParams,
    job: string | undefined,
    asker: Asker,
  ): Promise<string | undefined> {
    const isOver = async () => job !== undefined && (await asker.isWaiting(job)) === false;
    if (await isOver()) return OVER; // it may have waited long for its turn
    const shown = await this.show(params);
    const question = new Question(params.label ?? "It passes", shown);
    this.question = question;
    await commands.executeCommand("setContext", STANDING, true);
    void question.watch(isOver);
    const refusal = await question.answer;
    question.dispose();
    this.question = undefined;
    await commands.executeCommand("setContext", STANDING, false);
    await window.tabGroups.close(differences(shown));
    if (refusal !== undefined || job === undefined) return refusal;
    const held = await asker.holds(job); // what was agreed to is what was proved, not what has become of it
    return held?.holds ? undefined : (held?.reason ?? UNSAID);
  }

  /** Show what an edit would change; the texts on the right-hand sides. */
  private async show({ edit, label }: ApplyWorkspaceEditParams): Promise<Uri[]> {
    const shown: Uri[] = [];
    for (const change of (edit.documentChanges ?? []).filter(TextDocumentEdit.is)) {
      const document = await workspace.openTextDocument(Uri.parse(change.textDocument.uri));
      const after = this.pages.hold(document.uri.path, edited(document, change.edits as TextEdit[]));
      shown.push(after);
      // As a preview it would be replaced by the next file that is opened, and closing it is an answer.
      const options = { preserveFocus: true, preview: false };
      await commands.executeCommand("vscode.diff", document.uri, after, label, options);
    }
    return shown;
  }
}

/**
 * One question, which stands until it is answered, its difference is closed, or nothing is left to be asked.
 *
 * Any other quick input hides the list of answers, which is no answer: the buttons above the difference stay, and the
 * list comes back with the difference.  A message would hide itself after some seconds, and with it the question.
 */
class Question implements Disposable {
  /** Why not; undefined: apply it. */
  readonly answer: Promise<string | undefined>;
  settle: (refusal: string | undefined) => void = () => {};
  private over = false;
  private wasOpen = false;
  private inFront = false;
  private readonly pick = window.createQuickPick();
  private readonly subscriptions: Disposable[];

  constructor(
    title: string,
    private readonly shown: Uri[],
  ) {
    this.answer = new Promise((resolve) => {
      this.settle = resolve;
    });
    this.pick.title = title;
    this.pick.placeholder = HINT;
    this.pick.ignoreFocusOut = true;
    this.subscriptions = [
      this.pick,
      this.pick.onDidAccept(() => {
        const [chosen] = this.pick.selectedItems;
        if (chosen !== undefined) this.settle(chosen === APPLY ? undefined : UNWANTED);
      }),
      window.tabGroups.onDidChangeTabs(() => void this.look()),
    ];
    void this.look();
    this.put();
  }

  /** Take the question away once there is nothing left to be asked. */
  async watch(isOver: () => Promise<boolean>): Promise<void> {
    while (!this.over) {
      await delay(POLL_MILLISECONDS);
      if (await isOver()) this.settle(OVER);
    }
  }

  dispose(): void {
    this.over = true;
    for (const each of this.subscriptions) each.dispose();
  }

  private put(): void {
    this.pick.items = [APPLY, DISCARD]; // which it forgets when it is hidden
    this.pick.show();
  }

  private async look(): Promise<void> {
    const tabs = differences(this.shown);
    if (tabs.length > 0) {
      const inFront = tabs.some(({ isActive }) => isActive);
      if (this.wasOpen && inFront && !this.inFront && !this.over) this.put();
      this.wasOpen = true;
      this.inFront = inFront;
    } else if (this.wasOpen) {
      await delay(MOVE_MILLISECONDS);
      if (differences(this.shown).length === 0) this.settle(UNWANTED);
    }
  }
}

/** The tabs that show these texts as the right-hand side of a difference. */
function differences(shown: Uri[]): Tab[] {
  return window.tabGroups.all
    .flatMap(({ tabs }) => tabs)
    .filter(({ input }) => input instanceof TabInputTextDiff && shown.some((uri) => isSame(uri, input.modified)));
}

/** The job whose proof the edit is applied on, which its annotation names. */
function jobOf({ edit }: ApplyWorkspaceEditParams): string | undefined {
  const names = Object.keys(edit.changeAnnotations ?? {});
  return names.map((name) => /^greenfinch-job-(.+)$/.exec(name)?.[1]).find((job) => job !== undefined);
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
