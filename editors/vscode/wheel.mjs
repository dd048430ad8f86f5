// Builds the server's wheel from this clone into dist/server, from where an installed extension installs it.
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";

const python = process.env.PYTHON ?? "python3";
const options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--wheel-dir", "dist/server"];
rmSync("dist/server", { recursive: true, force: true });
const { status, error } = spawnSync(python, ["-m", "pip", "wheel", ...options, "../.."], { stdio: "inherit" });
if (error) console.error(`${python} could not be started: ${error.message}`);
process.exit(status ?? 1);
