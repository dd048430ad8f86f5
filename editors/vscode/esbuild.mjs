// Bundles the extension into one file, and puts the licence beside it, which a package has to contain.
import { copyFile, rm } from "node:fs/promises";
import { build } from "esbuild";

await rm("dist", { recursive: true, force: true });
await build({
  entryPoints: ["src/extension.ts"],
  outfile: "dist/extension.js",
  bundle: true,
  format: "cjs",
  platform: "node",
  target: "node20",
  external: ["vscode"],
  minify: true,
  sourcemap: true,
  legalComments: "eof",
});
await copyFile("../../LICENSE", "LICENSE");
