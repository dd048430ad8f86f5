---Shows progress where Neovim itself shows none: one line, with the counts that the server reports; and its messages.
local M = {}

---@type table<string|integer, string> titles by token
local titles = {}

local current = ''

---The latest line of progress, for a status line; empty when nothing is running.
---@return string
function M.line()
  return current
end

---@param line string
local function echo(line)
  local width = vim.v.echospace
  if vim.fn.strdisplaywidth(line) > width then -- a longer line would ask for <Enter>
    line = vim.fn.strcharpart(line, 0, width - 1) .. '…'
  end
  vim.api.nvim_echo({ { line } }, false, {})
end

---A message of the server.
---@param params lsp.ShowMessageParams
function M.tell(params)
  local levels = vim.log.levels
  local level = ({ levels.ERROR, levels.WARN, levels.INFO, levels.DEBUG })[params.type] or levels.INFO
  vim.notify(params.message, level, { title = 'Greenfinch' })
end

---How a job ended is told in a message, unless it was cancelled.  The same in two lines would ask for <Enter>.
---@param message? string
---@return boolean
local function told(message)
  return message ~= nil and not message:find('^cancelled') and not message:find('^not begun')
end

---@param params lsp.ProgressParams
function M.show(params)
  local value = params.value
  if type(value) ~= 'table' then
    return
  end
  if value.kind == 'begin' then
    titles[params.token] = value.title
  end
  local title = titles[params.token] or 'Greenfinch'
  local line = value.message and value.message ~= '' and ('%s: %s'):format(title, value.message) or title
  if value.kind == 'end' then
    titles[params.token] = nil
    current = ''
  else
    current = line
  end
  local how = require('greenfinch').options().progress
  if type(how) == 'function' then
    how(line)
  elseif how ~= false and not (value.kind == 'end' and told(value.message)) then
    echo(line)
  end
end

return M
