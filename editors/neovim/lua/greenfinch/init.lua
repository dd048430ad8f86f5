---What the user can do from Neovim.  Each function is a subcommand of |:Greenfinch|.
local M = {}

---@class greenfinch.Options  `vim.g.greenfinch`; every field may be left out
---@field command? string[] how the server is started, without `serve`; by default what is installed is looked for
---@field python? string the Python (3.11 or later) that `:Greenfinch install` makes its environment with
---@field progress? boolean|fun(line: string) false: show no progress; a function shows it in its own way
---@field offer_install? boolean false: do not offer to install a server that is missing

---@return greenfinch.Options
function M.options()
  return vim.g.greenfinch or {}
end

---@param message string
---@param level? integer
local function tell(message, level)
  vim.notify('Greenfinch: ' .. message, level or vim.log.levels.INFO)
end

---The client of the buffer; nil, and the user is told, where there is none.
---@return vim.lsp.Client?
local function client_here()
  local client = vim.lsp.get_clients({ name = 'greenfinch', bufnr = vim.api.nvim_get_current_buf() })[1]
  if not client then
    tell('no server is running for this buffer; `:checkhealth greenfinch` says why', vim.log.levels.WARN)
  end
  return client
end

---The client of the buffer, or any of Greenfinch's for what is about no text; the user is told where there is none.
---@return vim.lsp.Client?
local function any_client()
  local buffer = vim.api.nvim_get_current_buf()
  local here = vim.lsp.get_clients({ name = 'greenfinch', bufnr = buffer })[1]
  return here or vim.lsp.get_clients({ name = 'greenfinch' })[1] or client_here()
end

-- Functions of a client became its methods in Neovim 0.11.
local has_methods = vim.fn.has('nvim-0.11') == 1

---Runs a command of the server.  Every one is answered at once.
---@param command string its name behind `greenfinch.`
---@param argument? table
---@param on_answer? fun(answer: table)
---@param client? vim.lsp.Client by default the buffer's, or any
function M.execute(command, argument, on_answer, client)
  client = client or any_client()
  if not client then
    return
  end
  local params = { command = 'greenfinch.' .. command, arguments = argument and { argument } or {} }
  local function answered(err, answer)
    if err then
      tell(err.message, vim.log.levels.ERROR)
    elseif on_answer then
      on_answer(answer)
    end
  end
  if has_methods then
    client:request('workspace/executeCommand', params, answered)
  else
    client.request('workspace/executeCommand', params, answered)
  end
end

---Implements the function or the stubs of the class or file under the cursor.  What it does is shown as progress.
---The buffer's own server alone can: another one has not got its text, and would take the position for the disk's.
function M.implement()
  local client = client_here()
  if not client then
    return
  end
  local position = vim.lsp.util.make_position_params(0, client.offset_encoding)
  M.execute('implement', { uri = position.textDocument.uri, position = position.position }, nil, client)
end

---Cancels everything that is running, in all projects.
function M.cancel()
  local clients = vim.lsp.get_clients({ name = 'greenfinch' })
  if #clients == 0 then
    client_here() -- which tells that there is none
  end
  local count, unanswered = 0, #clients
  for _, client in ipairs(clients) do
    M.execute('cancel', nil, function(answer)
      count, unanswered = count + #answer.cancelled, unanswered - 1
      if unanswered == 0 then
        tell(count == 0 and 'nothing is running' or ('%d cancelled'):format(count))
      end
    end, client)
  end
end

---Opens the report of the latest run that did not pass.
function M.report()
  M.execute('showReport')
end

---Opens an account of the latest run, passed or not.
function M.last()
  M.execute('showLastRun')
end

---Looks at everything that a run needs, and opens what was found.
function M.doctor()
  local named = vim.api.nvim_buf_get_name(0) ~= ''
  M.execute('doctor', named and { uri = vim.uri_from_bufnr(0) } or nil)
end

---Brings a model onto this machine.
---@param model? string a name from `greenfinch models list`; by default the one that the settings ask for
function M.pull(model)
  M.execute('pullModel', { model = model })
end

---Tells what the server is at.
function M.status()
  M.execute('status', nil, function(status)
    local parts = { status.model ~= '' and status.model or 'no model yet', 'host: ' .. status.host }
    if #status.busy > 0 then
      table.insert(parts, 'at work on ' .. table.concat(status.busy, ', '))
    elseif type(status.last) == 'table' then
      table.insert(parts, 'last: ' .. status.last.message)
    end
    tell(table.concat(parts, ' · '))
  end)
end

---Installs the server into an environment of its own, in Neovim's data folder.
function M.install()
  require('greenfinch.server').install(function()
    M.restart()
  end)
end

---Ends the servers and starts them anew for all Python buffers.
function M.restart()
  local clients = vim.lsp.get_clients({ name = 'greenfinch' })
  local buffers = vim.tbl_map(function(client)
    return vim.tbl_keys(client.attached_buffers)
  end, clients)
  vim.lsp.stop_client(clients)
  vim.wait(3000, function()
    return #vim.lsp.get_clients({ name = 'greenfinch' }) == 0
  end, 50)
  if has_methods then
    vim.lsp.enable('greenfinch', false)
    vim.lsp.enable('greenfinch')
    return
  end
  for number, client in ipairs(clients) do
    for _, buffer in ipairs(buffers[number]) do
      vim.lsp.start(client.config, { bufnr = buffer })
    end
  end
end

return M
