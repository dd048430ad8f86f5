---Opens what the server wants to show (reports, the doctor's findings) in a window of its own, and keeps the user's.
local M = {}

---@param params lsp.ShowDocumentParams
---@param context lsp.HandlerContext
---@return table
function M.show(params, context)
  if params.external or not params.uri:match('%.md$') then
    return vim.lsp.handlers['window/showDocument'](nil, params, context)
  end
  local path = vim.uri_to_fname(params.uri)
  local before = vim.api.nvim_get_current_win()
  local buffer = vim.fn.bufadd(path)
  vim.fn.bufload(buffer)
  local window = vim.fn.bufwinid(buffer)
  if window == -1 then
    vim.cmd('botright split')
    window = vim.api.nvim_get_current_win()
    vim.api.nvim_win_set_buf(window, buffer)
  end
  vim.api.nvim_buf_call(buffer, function()
    vim.cmd('silent! checktime')
  end)
  vim.bo[buffer].filetype = 'markdown'
  vim.bo[buffer].modifiable = false
  vim.bo[buffer].bufhidden = 'wipe'
  vim.keymap.set('n', 'q', '<Cmd>close<CR>', { buffer = buffer, desc = 'Close' })
  vim.api.nvim_set_current_win(params.takeFocus and window or before)
  return { success = true }
end

return M
