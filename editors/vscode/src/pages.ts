/** Texts shown to be read: reports of the server, and pages of our own. */
import {
  commands,
  type Disposable,
  EventEmitter,
  type TextDocumentContentProvider,
  Uri,
  ViewColumn,
  workspace,
} from "vscode";
import type { ShowDocumentParams, ShowDocumentRequest } from "vscode-languageclient/node";

const SCHEME = "greenfinch";
const PREVIEW = "vscode.markdown.preview.editor";

export class Pages implements TextDocumentContentProvider, Disposable {
  private readonly texts = new Map<string, string>();
  private readonly changed = new EventEmitter<Uri>();
  private readonly registration = workspace.registerTextDocumentContentProvider(SCHEME, this);

  readonly onDidChange = this.changed.event;

  provideTextDocumentContent(uri: Uri): string {
    return this.texts.get(uri.toString()) ?? "";
  }

  /** Keep a text under a path, for an editor to show. */
  hold(path: string, text: string): Uri {
    const uri = Uri.from({ scheme: SCHEME, path });
    this.texts.set(uri.toString(), text);
    this.changed.fire(uri);
    return uri;
  }

  /** Show a page of our own under a title. */
  async show(title: string, markdown: string): Promise<void> {
    await commands.executeCommand("vscode.openWith", this.hold(`/${title}.md`, markdown), PREVIEW);
  }

  /** For the client's middleware: the server's Markdown files beside the code, rendered, other documents as ever. */
  readonly showDocument: ShowDocumentRequest.MiddlewareSignature = async (params, token, next) => {
    const uri = Uri.parse(params.uri);
    if (params.external || uri.scheme !== "file" || !uri.path.endsWith(".md")) return next(params, token);
    return { success: await this.preview(uri, params) };
  };

  dispose(): void {
    this.registration.dispose();
    this.changed.dispose();
  }

  private async preview(uri: Uri, params: ShowDocumentParams): Promise<boolean> {
    const options = { viewColumn: ViewColumn.Beside, preserveFocus: params.takeFocus !== true };
    await commands.executeCommand("vscode.openWith", uri, PREVIEW, options);
    return true;
  }
}
