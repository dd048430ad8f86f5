---Applies what the server wants to change, to the very text that it means or not at all.
---
---Neovim's own handler skips the check of a version that is 0, which a buffer has until its first change, takes edits
---of a newer version than the buffer's, and answers that it has applied an edit which it has dropped.
local M = {}

---@param buffer integer
---@param path string
---@return boolean
local function is_as_on_disk(buffer, path)
  local there, lines = pcall(vim.fn.readfile, path)
  if not there then
    return false
  end
  if vim.bo[buffer].fileformat == 'dos' then
    for number, line in ipairs(lines) do
      lines[number] = line:gsub('\r$', '')
    end
  end
  return vim.deep_equal(#lines > 0 and lines or { '' }, vim.api.nvim_buf_get_lines(buffer, 0, -1, false))
end

---Why an edit must not be made in a buffer; nil if it may.
---@param client vim.lsp.Client
---@param uri string
---@param version? integer of the text that the edit is for; nil: the file's on disk
---@return string?
local function objection(client, uri, version)
  local path, buffer = vim.uri_to_fname(uri), vim.uri_to_bufnr(uri)
  local name = vim.fs.basename(path)
  if not vim.api.nvim_buf_is_loaded(buffer) then
    return version and name .. ' is not open any more' or nil
  end
  if version then
    if not client.attached_buffers[buffer] then
      return name .. ' is not open any more'
    end
    -- Counted up with each change at once, also where the server is told of it only a moment later.
    return vim.lsp.util.buf_versions[buffer] ~= version and name .. ' has changed since the tests passed' or nil
  end
  if client.attached_buffers[buffer] or vim.bo[buffer].modified or not is_as_on_disk(buffer, path) then
    return ('the buffer of %s is not what the server has read from the disk'):format(name)
  end
  return nil
end

---@param edit lsp.WorkspaceEdit
---@return { uri: string, version?: integer }[]
local function documents_of(edit)
  local found = {}
  for _, change in ipairs(edit.documentChanges or {}) do
    local document = change.textDocument
    table.insert(found, { uri = document.uri, version = document.version ~= vim.NIL and document.version or nil })
  end
  for uri in pairs(edit.changes or {}) do
    table.insert(found, { uri = uri })
  end
  return found
end

---@param params lsp.ApplyWorkspaceEditParams
---@param context lsp.HandlerContext
---@return lsp.ApplyWorkspaceEditResult
function M.apply(params, context)
  local client = assert(vim.lsp.get_client_by_id(context.client_id))
  for _, document in ipairs(documents_of(params.edit)) do
    local reason = objection(client, document.uri, document.version)
    if reason then
      return { applied = false, failureReason = reason }
    end
  end
  local applied, problem = pcall(vim.lsp.util.apply_workspace_edit, params.edit, client.offset_encoding)
  return { applied = applied, failureReason = not applied and tostring(problem) or nil }
end

return M
