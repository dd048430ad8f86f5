---`:checkhealth greenfinch`
local M = {}

local health = vim.health

local function check_neovim()
  if vim.fn.has('nvim-0.11') == 1 then
    health.ok('Neovim ' .. tostring(vim.version()))
  else
    health.warn(
      'Neovim is older than 0.11',
      { 'Set up as in |greenfinch-0.10|, it works; older than 0.10, it does not.' }
    )
  end
end

---@return string[]? command
local function check_server()
  local command, from = require('greenfinch.server').find()
  if not command then
    local advice = { ':Greenfinch install', 'or `pipx install .` in a clone of Greenfinch' }
    health.error(('the command `greenfinch` was not found (%s)'):format(from), advice)
    return nil
  end
  local result = vim.system(vim.list_extend(vim.list_slice(command), { '--version' }), { text = true }):wait(20000)
  if result.code ~= 0 then
    health.error(('%s does not work: %s'):format(command[1], result.stderr), { ':Greenfinch install' })
    return nil
  end
  health.ok(('%s: %s (%s)'):format(vim.trim(result.stdout), command[1], from))
  return command
end

local function check_clients()
  if vim.fn.has('nvim-0.11') == 1 and vim.lsp._enabled_configs and not vim.lsp._enabled_configs.greenfinch then
    health.warn('it is not enabled', { "Put `vim.lsp.enable('greenfinch')` into your init.lua." })
  end
  local clients = vim.lsp.get_clients({ name = 'greenfinch' })
  if #clients == 0 then
    health.info('no server is running; it starts with a Python buffer')
  end
  for _, client in ipairs(clients) do
    health.ok(('running for %s, %d buffers'):format(client.root_dir, vim.tbl_count(client.attached_buffers)))
  end
end

---@param command string[]
local function check_machine(command)
  local asked = vim.list_extend(vim.list_slice(command), { 'doctor', '--json', '--root', vim.fn.getcwd() })
  local result = vim.system(asked, { text = true }):wait(60000)
  local read, answer = pcall(vim.json.decode, result.stdout)
  if not read then
    health.error('`greenfinch doctor` failed: ' .. (result.stderr or ''))
    return
  end
  for _, finding in ipairs(answer.findings) do
    local line = ('%s: %s'):format(finding.what, finding.found)
    local advice = finding.remedy ~= '' and { finding.remedy } or nil
    if not finding.ok then
      health.error(line, advice)
    elseif advice then
      health.warn(line, advice)
    else
      health.ok(line)
    end
  end
end

function M.check()
  health.start('greenfinch: this editor')
  check_neovim()
  local command = check_server()
  check_clients()
  if command then
    health.start('greenfinch: this machine')
    check_machine(command)
  end
end

return M
