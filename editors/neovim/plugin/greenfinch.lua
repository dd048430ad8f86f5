-- The command :Greenfinch and the <Plug> mappings; everything else is loaded when one of them is used.
if vim.g.loaded_greenfinch then
  return
end
vim.g.loaded_greenfinch = true

local subcommands = { 'implement', 'cancel', 'report', 'last', 'doctor', 'pull', 'status', 'install', 'restart' }

vim.api.nvim_create_user_command('Greenfinch', function(options)
  local name = options.fargs[1] or 'implement'
  if not vim.list_contains(subcommands, name) then
    vim.notify(('Greenfinch: there is no subcommand %q'):format(name), vim.log.levels.ERROR)
    return
  end
  require('greenfinch')[name](options.fargs[2])
end, {
  nargs = '*',
  desc = 'Implement the function under the cursor until its tests pass',
  complete = function(lead, line)
    local words = #vim.split(vim.trim(line), '%s+')
    if words > 2 or (words == 2 and lead == '') then
      return {}
    end
    return vim.tbl_filter(function(name)
      return vim.startswith(name, lead)
    end, subcommands)
  end,
})

for _, name in ipairs({ 'implement', 'cancel', 'report', 'last', 'doctor' }) do
  vim.keymap.set('n', ('<Plug>(greenfinch-%s)'):format(name), function()
    require('greenfinch')[name]()
  end, { desc = 'Greenfinch: ' .. name })
end

local group = vim.api.nvim_create_augroup('greenfinch', {})

-- Neovim's own handler of messages ends each with a line break, which asks for <Enter> before the next key counts; of
-- its handler of edits, see edits.lua.  Here, since a client that is not started by lsp/greenfinch.lua needs them, too.
vim.api.nvim_create_autocmd('LspAttach', {
  group = group,
  callback = function(event)
    local client = vim.lsp.get_client_by_id(event.data.client_id)
    if not client or client.name ~= 'greenfinch' then
      return
    end
    client.handlers['window/showMessage'] = client.handlers['window/showMessage']
      or function(_, params)
        require('greenfinch.progress').tell(params)
      end
    client.handlers['workspace/applyEdit'] = client.handlers['workspace/applyEdit']
      or function(_, params, context)
        return require('greenfinch.edits').apply(params, context)
      end
  end,
})

vim.api.nvim_create_autocmd('LspProgress', {
  group = group,
  callback = function(event)
    local client = vim.lsp.get_client_by_id(event.data.client_id)
    if client and client.name == 'greenfinch' then
      require('greenfinch.progress').show(event.data.params)
    end
  end,
})
