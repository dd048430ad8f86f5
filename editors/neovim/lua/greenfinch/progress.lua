---Shows progress where Neovim itself shows none: one line, with the counts that the server reports; and its messages.
local M = {}

---@type { token: string|integer, title: string, line: string }[] what runs; the one that was heard of last is the last
local running = {}

---The latest line of progress, for a status line; empty when nothing is running.
---@return string
function M.line()
  local latest = running[#running]
  return latest and latest.line or ''
end

---Takes out what runs with this token.
---@param token string|integer
---@return string? title
local function take(token)
  for index, job in ipairs(running) do
    if job.token == token then
      return table.remove(running, index).title
    end
  end
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
  local title = take(params.token) or value.title or 'Greenfinch'
  local line = value.message and value.message ~= '' and ('%s: %s'):format(title, value.message) or title
  if value.kind ~= 'end' then
    table.insert(running, { token = params.token, title = title, line = line })
  end
  local how = require('greenfinch').options().progress
  if type(how) == 'function' then
    how(line)
  elseif how ~= false and not (value.kind == 'end' and told(value.message)) then
    echo(line)
  end
end

return M
