-- Drives the real Neovim as its user would: SCENARIO names one of the functions below, what came of it is written to
-- OUT as JSON, and the Python side judges.  The user's own init.lua has been read before.
local out, scenario = assert(vim.env.OUT), assert(vim.env.SCENARIO)
local found = { progress = {}, echoed = {}, messages = {}, titles = {}, asked = {} }

vim.api.nvim_create_autocmd('LspProgress', {
  callback = function(event)
    local value = event.data.params.value
    table.insert(found.progress, { kind = value.kind, title = value.title, message = value.message })
  end,
})

local notify = vim.notify
vim.notify = function(message, ...)
  table.insert(found.messages, message)
  return notify(message, ...)
end
local show_message = vim.lsp.handlers['window/showMessage']
vim.lsp.handlers['window/showMessage'] = function(err, params, ...)
  table.insert(found.messages, params.message)
  return show_message(err, params, ...)
end

local function wait(condition, what)
  if not vim.wait(tonumber(vim.env.PATIENCE) or 120000, condition, 20) then
    error('waited in vain for ' .. what)
  end
end

local function text(buffer)
  return table.concat(vim.api.nvim_buf_get_lines(buffer or 0, 0, -1, false), '\n') .. '\n'
end

local function client()
  return vim.lsp.get_clients({ name = 'greenfinch' })[1]
end

local function attach(file)
  vim.cmd.edit(file)
  wait(function()
    local attached = vim.lsp.get_clients({ bufnr = 0, name = 'greenfinch' })[1]
    return attached and attached.initialized
  end, 'the server')
  return vim.api.nvim_get_current_buf()
end

local function go_to(pattern)
  vim.fn.cursor(1, 1)
  assert(vim.fn.search(pattern, 'cW') > 0, pattern)
end

-- As `gra` does: lists the actions, and chooses the one whose title is wanted (none: just lists).
local function choose(wanted)
  local listed = false
  vim.ui.select = function(items, options, on_choice)
    found.titles = vim.tbl_map(options.format_item or function(item)
      return item.action.title
    end, items)
    listed = true
    for number, item in ipairs(items) do
      if wanted and vim.startswith(item.action.title, wanted) then
        return on_choice(item, number)
      end
    end
    on_choice(nil)
  end
  vim.lsp.buf.code_action()
  wait(function()
    return listed
  end, 'the menu of code actions')
end

local function answer(request, argument)
  local result
  require('greenfinch').execute(request, argument, function(got)
    result = got
  end)
  wait(function()
    return result
  end, request)
  return result
end

local function idle()
  wait(function()
    local last = found.progress[#found.progress]
    return last and last.kind == 'end'
  end, 'the end of the run')
end

local GENERATE = 'Generate & verify implementation'
local scenarios = {}

function scenarios.implement()
  local buffer = attach('words.py')
  local before = text()
  go_to('def slugify')
  choose(GENERATE)
  wait(function()
    return text() ~= before
  end, 'the edit')
  idle()
  found.line_while_idle = require('greenfinch.progress').line()
  found.after = text()
  found.modified = vim.bo[buffer].modified
  vim.cmd.undo()
  found.undone = text() == before
  vim.cmd.redo()
  found.redone = text() == found.after
  found.last = answer('showLastRun', { show = false })
end

function scenarios.by_command()
  attach('words.py')
  vim.keymap.set('n', 'X', '<Plug>(greenfinch-implement)')
  go_to('slugify(')
  local before = text()
  vim.api.nvim_feedkeys('X', 'x', false)
  wait(function()
    return text() ~= before
  end, 'the edit')
  idle()
  found.after = text()
end

function scenarios.cancel()
  attach('words.py')
  local before = text()
  vim.cmd('Greenfinch implement')
  wait(function()
    return vim.iter(found.progress):any(function(value)
      return value.message and value.message:find('tried')
    end)
  end, 'a candidate')
  vim.cmd('Greenfinch cancel')
  idle()
  vim.wait(300)
  found.unchanged = text() == before
  found.status = answer('status')
end

function scenarios.cancel_elsewhere()
  attach('words.py')
  vim.cmd('Greenfinch implement')
  wait(function()
    return #found.progress > 1
  end, 'progress')
  attach(vim.env.OTHER)
  found.clients = #vim.lsp.get_clients({ name = 'greenfinch' })
  vim.cmd('Greenfinch cancel')
  idle()
  wait(function()
    return vim.iter(found.messages):any(function(message)
      return message:find('1 cancelled')
    end)
  end, 'the count')
  for _, each in ipairs(vim.lsp.get_clients({ name = 'greenfinch' })) do
    if each.id ~= client().id then
      each:stop()
    end
  end
end

function scenarios.progress_of_two()
  local progress = require('greenfinch.progress')
  local function say(token, value)
    progress.show({ token = token, value = value })
  end
  say('a', { kind = 'begin', title = 'one' })
  say('a', { kind = 'report', message = '1/8 tried' })
  say('b', { kind = 'begin', title = 'two' })
  found.lines = { progress.line() }
  say('b', { kind = 'end', message = 'done' })
  table.insert(found.lines, progress.line())
  say('a', { kind = 'end', message = 'done' })
  table.insert(found.lines, progress.line())
end

function scenarios.cancel_by_action()
  attach('words.py')
  local before = text()
  go_to('def slugify')
  vim.cmd('Greenfinch')
  wait(function()
    return #found.progress > 1
  end, 'progress')
  choose('Cancel: slugify')
  idle()
  found.unchanged = text() == before
  found.status = answer('status')
end

function scenarios.report()
  local buffer = attach('words.py')
  local window = vim.api.nvim_get_current_win()
  local before = text()
  go_to('def slugify')
  choose(GENERATE)
  wait(function()
    return #vim.api.nvim_list_wins() == 2
  end, 'the report')
  idle()
  found.unchanged = text(buffer) == before
  found.kept_focus = vim.api.nvim_get_current_win() == window
  for _, each in ipairs(vim.api.nvim_list_wins()) do
    if each ~= window then
      found.report = text(vim.api.nvim_win_get_buf(each))
      found.filetype = vim.bo[vim.api.nvim_win_get_buf(each)].filetype
      vim.api.nvim_win_close(each, true)
    end
  end
  vim.cmd('Greenfinch report')
  wait(function()
    return #vim.api.nvim_list_wins() == 2
  end, 'the report, asked for')
  found.report_focused = vim.bo.filetype == 'markdown'
end

function scenarios.unsaved()
  attach('words.py')
  vim.api.nvim_buf_set_lines(0, 0, -1, false, vim.fn.readfile(vim.env.UNSAVED))
  go_to('def slugify')
  local before = text()
  choose(GENERATE)
  wait(function()
    return text() ~= before
  end, 'the edit')
  idle()
  found.after = text()
  found.on_disk = table.concat(vim.fn.readfile('words.py'), '\n') .. '\n'
end

-- What happens between the server's edit and Neovim's looking at it.
local function before_edit(act)
  local handlers = client().handlers
  local apply = handlers['workspace/applyEdit'] or vim.lsp.handlers['workspace/applyEdit']
  handlers['workspace/applyEdit'] = function(...)
    act()
    return apply(...)
  end
end

function scenarios.typed_before_edit()
  attach('words.py')
  if vim.env.TYPED_FIRST then
    vim.api.nvim_buf_set_lines(0, -1, -1, false, { '# first' })
    vim.wait(400)
  end
  local once = true
  before_edit(function()
    if once then
      vim.api.nvim_buf_set_lines(0, 0, 0, false, { '# typed', '# typed' })
    end
    once = false
  end)
  go_to('def slugify')
  vim.cmd('Greenfinch')
  idle()
  found.refused = text()
  found.status = answer('status')
  found.progress = {}
  choose('Verify and apply again')
  idle()
  found.after = text()
end

function scenarios.not_attached()
  attach('test_words.py')
  attach('words.py')
  vim.lsp.buf_detach_client(0, client().id)
  vim.api.nvim_buf_set_lines(0, 0, 0, false, { '# not saved', '# not saved' })
  go_to('def slugify')
  vim.cmd('Greenfinch')
  vim.wait(500)
  found.before = answer('status')
  answer('implement', { uri = vim.uri_from_bufnr(0), qualname = 'slugify' })
  idle()
  found.after = text()
  found.status = answer('status')
end

function scenarios.folders()
  attach('pkg/shapes.py')
  go_to('class Square')
  choose('Implement all stubs in this class')
  idle()
  found.after = text()
  found.root = client().root_dir
end

function scenarios.restart()
  attach('words.py')
  local id = client().id
  vim.cmd('Greenfinch restart')
  wait(function()
    return client() and client().initialized
  end, 'the new server')
  found.another = client().id ~= id
  found.status = answer('status')
end

function scenarios.doctor()
  attach('words.py')
  vim.cmd('Greenfinch doctor')
  wait(function()
    return vim.bo.filetype == 'markdown'
  end, "the doctor's findings")
  found.report = text()
  vim.cmd('close')
  vim.cmd('checkhealth greenfinch')
  found.health = text()
  vim.cmd.enew()
  vim.cmd('Greenfinch doctor')
  wait(function()
    return vim.bo.filetype == 'markdown'
  end, 'findings asked for in a buffer without a name')
  found.unnamed = text()
end

function scenarios.no_tests()
  attach('lonely.py')
  go_to('def')
  choose(nil)
  vim.cmd('Greenfinch implement')
  idle()
end

function scenarios.no_model()
  attach('words.py')
  go_to('def slugify')
  vim.fn.inputlist = function(lines)
    found.asked = lines
    return 2
  end
  vim.ui.select = function(items, options, on_choice)
    found.asked = { options.prompt, (options.format_item(items[1])), (options.format_item(items[2])) }
    on_choice(items[2], 2)
  end
  vim.cmd('Greenfinch implement')
  idle()
  found.status = answer('status')
end

function scenarios.install()
  vim.ui.select = function(items, options, on_choice)
    found.asked = { options.prompt, items[1], items[2] }
    local number = tonumber(vim.env.CHOICE)
    on_choice(items[number], number)
  end
  vim.cmd.edit('words.py')
  wait(function()
    return #found.asked > 0
  end, 'the offer')
  if vim.env.CHOICE == '1' then
    wait(function()
      return client() and client().initialized
    end, 'the installed server')
    found.status = answer('status')
    found.command = require('greenfinch.server').find()
  end
end

function scenarios.install_for_two()
  vim.g.greenfinch = { python = vim.env.PYTHON_STANDING_IN }
  local second
  vim.ui.select = function(items, _, on_choice)
    on_choice(items[1], 1)
    vim.cmd('Greenfinch install') -- which goes on already
    vim.cmd.edit('test_words.py')
    second = vim.api.nvim_get_current_buf()
  end
  vim.cmd.edit('words.py')
  local first = vim.api.nvim_get_current_buf()
  wait(function()
    return client() and client().initialized
  end, 'the installed server')
  vim.wait(500)
  found.attached = vim.tbl_map(function(buffer)
    return #vim.lsp.get_clients({ name = 'greenfinch', bufnr = buffer })
  end, { first, second })
  vim.cmd('Greenfinch install') -- once more: what is there is brought up to date, and not made anew
  wait(function()
    local count = 0
    for _, message in ipairs(found.messages) do
      count = count + (message:find('its server is installed') and 1 or 0)
    end
    return count == 2
  end, 'the second installation')
end

vim.schedule(function()
  local ok, problem = xpcall(scenarios[scenario], debug.traceback)
  found.problem = not ok and problem or nil
  if client() then
    vim.lsp.stop_client({ client() }, vim.env.FORCE ~= nil)
  end
  vim.wait(20000, function()
    return client() == nil
  end, 20)
  found.server_ended = client() == nil
  local file = assert(io.open(out, 'w'))
  file:write(vim.json.encode(found))
  file:close()
  vim.cmd(ok and 'qa!' or 'cquit!')
end)
