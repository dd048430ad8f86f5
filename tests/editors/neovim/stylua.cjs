// Formats Lua files in place, or with --check names those that are not formatted: StyLua's own tool is a download, its
// library is a package.
const fs = require("node:fs");
const path = require("node:path");
const home = process.env.GREENFINCH_EDITORS || path.join(process.env.XDG_CACHE_HOME || path.join(process.env.HOME, ".cache"), "greenfinch-editors");
const stylua = require(path.join(home, "neovim/node_modules/@johnnymorganz/stylua/stylua_lib_node.cjs"));

const check = process.argv.includes("--check");
function config() {  // each call of formatCode consumes one
  const made = stylua.Config.new();
  made.column_width = 120;
  made.indent_type = stylua.IndentType.Spaces;
  made.indent_width = 2;
  made.quote_style = stylua.QuoteStyle.AutoPreferSingle;
  return made;
}
let stale = 0;
for (const file of process.argv.slice(2).filter((each) => each.endsWith(".lua"))) {
  const text = fs.readFileSync(file, "utf8");
  const formatted = stylua.formatCode(text, config(), undefined, stylua.OutputVerification.Full);
  if (formatted === text) continue;
  stale += 1;
  console.log(`${check ? "not formatted" : "formatted"}: ${file}`);
  if (!check) fs.writeFileSync(file, formatted);
}
process.exit(check && stale > 0 ? 1 : 0);
