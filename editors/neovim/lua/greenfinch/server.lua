---Finds the server, starts it, and installs it into an environment of its own where it is missing.
local M = {}

local windows = vim.fn.has('win32') == 1
local asked = false
local waiting = nil ---@type (fun())[]? what goes on once the server that the user is asked about is installed

---@param message string
---@param level? integer
local function tell(message, level)
  vim.notify('Greenfinch: ' .. message, level or vim.log.levels.INFO)
end

---Where `:Greenfinch install` puts its environment.
---@return string
function M.folder()
  return vim.fs.joinpath(vim.fn.stdpath('data'), 'greenfinch', 'venv')
end

---@param name string
---@return string
local function in_environment(name)
  return vim.fs.joinpath(M.folder(), windows and 'Scripts' or 'bin', windows and name .. '.exe' or name)
end

---Where the one command that Emacs and Helix ask for puts the server.
---@return string
function M.shared()
  local data = vim.env.XDG_DATA_HOME or vim.fs.joinpath(vim.uv.os_homedir(), '.local', 'share')
  return vim.fs.joinpath(data, 'greenfinch', 'venv', windows and 'Scripts/greenfinch.exe' or 'bin/greenfinch')
end

---The command that is used, without `serve`, and where it is from; nil where there is none.
---@return string[]? command
---@return string from
function M.find()
  local options = require('greenfinch').options()
  if options.command then
    local there = vim.fn.executable(options.command[1]) == 1
    return there and options.command or nil, 'vim.g.greenfinch.command'
  end
  local own = in_environment('greenfinch')
  if vim.fn.executable(own) == 1 then
    return { own }, ':Greenfinch install'
  end
  local shared = M.shared()
  if vim.fn.executable(shared) == 1 then
    return { shared }, "your other editors' environment"
  end
  local found = vim.fn.exepath('greenfinch')
  if found ~= '' then
    return { found }, 'PATH'
  end
  return nil, 'nowhere'
end

---The clone that this plugin is a part of, which is what gets installed; nil where it was copied out of one.
---@return string?
function M.clone()
  local this = vim.fs.normalize(debug.getinfo(1, 'S').source:sub(2))
  local root = vim.uv.fs_realpath(vim.fs.joinpath(vim.fs.dirname(this), '..', '..', '..', '..'))
  local marked = root and vim.uv.fs_stat(vim.fs.joinpath(root, 'lsp_server')) ~= nil
  return marked and root or nil
end

---@param dispatchers vim.lsp.rpc.Dispatchers
---@return vim.lsp.rpc.PublicClient
function M.start(dispatchers)
  local command, from = M.find()
  if not command then
    error('the command `greenfinch` was not found (' .. from .. ')')
  end
  local with_arguments = vim.list_extend({}, command)
  table.insert(with_arguments, 'serve')
  return vim.lsp.rpc.start(with_arguments, dispatchers)
end

---Goes on at once where there is a server, and otherwise once the user has let it be installed.  Asks once a session;
---whoever comes while the question or the installation stands goes on with the first.
---@param go_on fun()
function M.when_there(go_on)
  if waiting then
    table.insert(waiting, go_on)
    return
  end
  if M.find() then
    go_on()
    return
  end
  if asked or require('greenfinch').options().offer_install == false then
    return
  end
  asked = true
  waiting = { go_on }
  vim.schedule(M.offer)
end

---@param installed boolean
local function release(installed)
  local all = installed and waiting or {}
  waiting = nil
  for _, go_on in ipairs(all) do
    go_on()
  end
end

function M.offer()
  if not M.clone() then
    tell('its server is not installed.  In a clone of Greenfinch: `pipx install .`', vim.log.levels.WARN)
    release(false)
    return
  end
  local choices = { ('Install it into %s'):format(M.folder()), 'Not now' }
  local prompt =
    'Greenfinch: its server is not installed (a Python program; compiling llama.cpp takes ten minutes once)'
  vim.ui.select(choices, { prompt = prompt, kind = 'greenfinch-install' }, function(_, number)
    if number == 1 then
      M.install()
    else
      tell('not installed.  `:Greenfinch install` does it later, `:checkhealth greenfinch` says what is missing.')
      release(false)
    end
  end)
end

---@param python string
---@return boolean of 3.11 or later, with what an installation needs
local function works(python)
  local check = 'import sys, venv; sys.exit(sys.version_info < (3, 11))'
  return vim.fn.executable(python) == 1 and vim.system({ python, '-c', check }):wait(10000).code == 0
end

---@return string? python one that works
local function find_python()
  local wanted = require('greenfinch').options().python
  for _, name in ipairs(wanted and { wanted } or { 'python3', 'python3.13', 'python3.12', 'python3.11', 'python' }) do
    if works(name) then
      return name
    end
  end
  return nil
end

---Takes the one place of whoever installs, this Neovim or another one; a Neovim that is gone has given it up.
---@return fun()? give_back nil where somebody else has it
local function take_turn()
  local folder = vim.fs.dirname(M.folder())
  local turn = vim.fs.joinpath(folder, 'installing')
  vim.fn.mkdir(folder, 'p')
  local file = vim.uv.fs_open(turn, 'wx', 420)
  if not file then
    local owner = tonumber(vim.trim(table.concat(vim.fn.readfile(turn), '')))
    if owner and (owner == vim.fn.getpid() or vim.uv.kill(owner, 0) == 0) then
      return nil
    end
    file = vim.uv.fs_open(turn, 'w', 420)
  end
  if file then
    vim.uv.fs_write(file, tostring(vim.fn.getpid()))
    vim.uv.fs_close(file)
  end
  return function()
    vim.uv.fs_unlink(turn)
  end
end

---Makes the environment and installs the clone's server into it, in the background.  An environment that works is kept
---and brought up to date: servers may run in it, and what cannot be installed takes nothing away.
---@param on_done? fun()
function M.install(on_done)
  local give_back = take_turn()
  if not give_back then
    tell('its server is being installed already')
    return
  end
  local function fail(message)
    give_back()
    tell(message, vim.log.levels.ERROR)
    release(false)
  end
  local clone, python = M.clone(), find_python()
  if not clone then
    fail('this plugin does not lie in a clone of Greenfinch, so there is nothing to install')
    return
  end
  if not python then
    local advice = 'install Python 3.11 or later with its venv module, or set vim.g.greenfinch.python'
    fail('no Python to install it with: ' .. advice)
    return
  end
  local steps = {
    { 'installing the server; this may take ten minutes', { in_environment('python'), '-m', 'pip', 'install', clone } },
    { 'trying it', { in_environment('greenfinch'), '--version' } },
  }
  if not works(in_environment('python')) then
    table.insert(steps, 1, { 'making an environment', { python, '-m', 'venv', '--clear', M.folder() } })
  end
  local function step(number)
    local this = steps[number]
    if not this then
      give_back()
      tell('its server is installed')
      release(true)
      if on_done then
        on_done()
      end
      return
    end
    tell(this[1])
    vim.system(this[2], { text = true }, function(result)
      vim.schedule(function()
        if result.code == 0 then
          step(number + 1)
          return
        end
        local last = vim.trim(result.stderr ~= '' and result.stderr or result.stdout or '')
        local lines = vim.split(last, '\n')
        local tail = table.concat(vim.list_slice(lines, math.max(1, #lines - 5)), '\n')
        local failed = ('%s failed (%s):\n%s'):format(this[1], table.concat(this[2], ' '), tail)
        fail(failed)
      end)
    end)
  end
  step(1)
end

return M
