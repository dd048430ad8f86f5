/** The settings that go to the server: what the user has set, and nothing else. */
import { extensions, type Uri, workspace } from "vscode";

const SECTION = "greenfinch";
const OWN = ["server.", "trace."];

/**
 * Every setting of the server's by its name; null for one that is nowhere set, so that the user's configuration file
 * and environment keep their say, which the defaults shown in the settings editor must not override.
 */
export function settingsForServer(extensionId: string, scope?: Uri): Record<string, unknown> {
  const configuration = workspace.getConfiguration(SECTION, scope);
  const values: Record<string, unknown> = {};
  for (const name of declared(extensionId)) {
    const set = configuration.inspect(name);
    const isSet = [set?.globalValue, set?.workspaceValue, set?.workspaceFolderValue].some(
      (value) => value !== undefined,
    );
    values[name] = isSet ? configuration.get(name) : null;
  }
  return values;
}

function declared(extensionId: string): string[] {
  const sections: { properties: Record<string, unknown> }[] =
    extensions.getExtension(extensionId)?.packageJSON.contributes.configuration ?? [];
  return sections
    .flatMap((section) => Object.keys(section.properties))
    .map((name) => name.slice(SECTION.length + 1))
    .filter((name) => !OWN.some((own) => name.startsWith(own)));
}
