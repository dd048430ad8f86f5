-- For `vim.lsp.enable('greenfinch')`, which is all that is needed.  `vim.lsp.config('greenfinch', { ... })` changes it.
local markers = { 'pyproject.toml', 'setup.py', 'setup.cfg', 'tox.ini', 'pytest.ini', '.git' }

---@type vim.lsp.Config
return {
  cmd = function(dispatchers)
    return require('greenfinch.server').start(dispatchers)
  end,
  filetypes = { 'python' },
  -- Called for each buffer before anything is started: without a server, an offer to install it takes its place.
  root_dir = function(buffer, on_dir)
    local name = vim.api.nvim_buf_get_name(buffer)
    if name == '' then
      return
    end
    require('greenfinch.server').when_there(function()
      if not vim.api.nvim_buf_is_valid(buffer) then -- it was closed while the server was installed
        return
      end
      on_dir(vim.fs.root(buffer, markers) or vim.fs.dirname(name))
    end)
  end,
  handlers = {
    ['window/showDocument'] = function(_, params, context)
      return require('greenfinch.document').show(params, context)
    end,
  },
}
