// The part of the Python extension's published interface that Greenfinch asks, with a choice that tests can change.
const vscode = require("vscode");

exports.activate = () => {
  const changed = new vscode.EventEmitter();
  let chosen = process.env.GREENFINCH_PROBE_PYTHON;
  return {
    ready: Promise.resolve(),
    environments: {
      getActiveEnvironmentPath: () => ({ id: chosen, path: chosen }),
      resolveEnvironment: async ({ path }) => (path ? { executable: { uri: vscode.Uri.file(path) } } : undefined),
      onDidChangeActiveEnvironmentPath: changed.event,
    },
    choose: (path) => {
      chosen = path;
      changed.fire({ id: path, path });
    },
  };
};
