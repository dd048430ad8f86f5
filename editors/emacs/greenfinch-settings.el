;;; greenfinch-settings.el --- What can be set in Greenfinch's server  -*- lexical-binding: t; -*-

;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; The same names and meanings in every editor, declared once in engine/config.py.  What is as it was here does not
;; reach the server, so that the user's own config.toml and environment count.

;;; Code:

(defgroup greenfinch nil
  "Implement functions with a local model until their tests pass."
  :group 'tools
  :prefix "greenfinch-")

;; settings: generated

(defcustom greenfinch-model "auto"
  "Setting model of the server.
Model to use: a name from greenfinch models list, the path of a GGUF file,
or auto."
  :type 'string
  :group 'greenfinch)

(defcustom greenfinch-endpoint ""
  "Setting endpoint of the server.
Base URL of an OpenAI-compatible server to use instead of the local host,
such as http://gpu-box:8000/v1."
  :type 'string
  :group 'greenfinch)

(defcustom greenfinch-endpoints nil
  "Setting endpoints of the server.
Several such servers, as a pool that shares the samples of a run; unix:/path
is one on a Unix socket.  What a server that goes away has begun is sampled
again on another."
  :type '(repeat string)
  :group 'greenfinch)

(defcustom greenfinch-last-resort "local"
  "Setting last_resort of the server.
What samples when none of endpoints can be used.  local: this machine's own
model host.  none: nothing."
  :type '(choice (const "local") (const "none"))
  :group 'greenfinch)

(defcustom greenfinch-endpoint-key-env ""
  "Setting endpoint_key_env of the server.
Name of the environment variable that holds the endpoint's key; all of
endpoints get the same."
  :type 'string
  :group 'greenfinch)

(defcustom greenfinch-python ""
  "Setting python of the server.
Python that runs your tests; empty: found from the editor, the environment
and .venv."
  :type 'string
  :group 'greenfinch)

(defcustom greenfinch-strategy "full"
  "Setting strategy of the server.
How candidates are searched for."
  :type '(choice (const "greedy") (const "best-of-n") (const "plan+repair") (const "full"))
  :group 'greenfinch)

(defcustom greenfinch-candidates 64
  "Setting candidates of the server.
At most this many candidates are tried in one run."
  :type 'integer
  :group 'greenfinch)

(defcustom greenfinch-budget-seconds 120.0
  "Setting budget_seconds of the server.
A run ends after this many seconds without a winner."
  :type 'number
  :group 'greenfinch)

(defcustom greenfinch-budget-tokens 0
  "Setting budget_tokens of the server.
A run samples no more than this many tokens; 0: no bound."
  :type 'integer
  :group 'greenfinch)

(defcustom greenfinch-budget-wh 0.0
  "Setting budget_wh of the server.
A run ends when it has used this many watt-hours, as measured or estimated;
0: no bound."
  :type 'number
  :group 'greenfinch)

(defcustom greenfinch-larger-model ""
  "Setting larger_model of the server.
A second, larger model that is asked at the end of a search that found
nothing: its name, or a GGUF file."
  :type 'string
  :group 'greenfinch)

(defcustom greenfinch-temperature 0.8
  "Setting temperature of the server.
Sampling temperature of all candidates but the first; 0 to 2."
  :type 'number
  :group 'greenfinch)

(defcustom greenfinch-comments nil
  "Setting comments of the server.
Let the strategy full sample candidates with comments, which make them about
half as long again."
  :type 'boolean
  :group 'greenfinch)

(defcustom greenfinch-max-tokens 512
  "Setting max_tokens of the server.
At most this many tokens are sampled for one function."
  :type 'integer
  :group 'greenfinch)

(defcustom greenfinch-context-tokens 8192
  "Setting context_tokens of the server.
Context of the model host, shared by its candidates."
  :type 'integer
  :group 'greenfinch)

(defcustom greenfinch-threads 0
  "Setting threads of the server.
Threads of the model host; 0: chosen for the machine."
  :type 'integer
  :group 'greenfinch)

(defcustom greenfinch-host-idle-minutes 10.0
  "Setting host_idle_minutes of the server.
The model host ends after this many minutes without work."
  :type 'number
  :group 'greenfinch)

(defcustom greenfinch-test-timeout-seconds 10.0
  "Setting test_timeout_seconds of the server.
Least time limit of one test; slow tests get a multiple of their own time."
  :type 'number
  :group 'greenfinch)

(defcustom greenfinch-test-memory-mb 2048
  "Setting test_memory_mb of the server.
Address space that one test process may use, in MiB."
  :type 'integer
  :group 'greenfinch)

(defcustom greenfinch-test-args nil
  "Setting test_args of the server.
More arguments for pytest."
  :type '(repeat string)
  :group 'greenfinch)

(defcustom greenfinch-test-command ""
  "Setting test_command of the server.
Your own test command, where tests do not run by pytest or unittest alone,
such as tox -q -- --junitxml={junit}; {junit} is where its JUnit XML goes.
Its report is trusted."
  :type 'string
  :group 'greenfinch)

(defcustom greenfinch-test-command-xml ""
  "Setting test_command_xml of the server.
Where test_command writes its JUnit XML if it cannot be told, such as
reports/*.xml."
  :type 'string
  :group 'greenfinch)

(defcustom greenfinch-sandbox-least "partial"
  "Setting sandbox_least of the server.
The weakest sandbox that tests may run in; below it nothing runs.  full:
only programs and the workspace are seen, nothing is written, no network.
partial: the same as far as it goes without user namespaces.  limits-only: a
copy of the workspace, time limits; your files and network are open to
generated code."
  :type '(choice (const "full") (const "partial") (const "limits-only"))
  :group 'greenfinch)

(defcustom greenfinch-test-env nil
  "Setting test_env of the server.
Names of environment variables that tests get although they look like
secrets."
  :type '(repeat string)
  :group 'greenfinch)

(defcustom greenfinch-test-read nil
  "Setting test_read of the server.
More files and folders that tests may read, such as a data folder."
  :type '(repeat string)
  :group 'greenfinch)

(defcustom greenfinch-test-write nil
  "Setting test_write of the server.
Files and folders that tests may change for good."
  :type '(repeat string)
  :group 'greenfinch)

(defcustom greenfinch-test-network "none"
  "Setting test_network of the server.
none: tests have a loopback of their own at most.  host: the machine's
network, as for a database on it."
  :type '(choice (const "none") (const "host"))
  :group 'greenfinch)

(defcustom greenfinch-code-lens nil
  "Setting code_lens of the server.
Show above each stub how many tests mention it; a click implements it."
  :type 'boolean
  :group 'greenfinch)

(defcustom greenfinch-prepare-on-menu t
  "Setting prepare_on_menu of the server.
When you open the menu of code actions on a stub, load the model, run the
tests as they are and have the prompt read, so that a run begins sooner.
Never for an endpoint, nor in a workspace that is not trusted."
  :type 'boolean
  :group 'greenfinch)

(defcustom greenfinch-confirm-edit nil
  "Setting confirm_edit of the server.
Ask before a verified edit is applied, with a preview, in editors that can
show one."
  :type 'boolean
  :group 'greenfinch)

(defcustom greenfinch-cpu-watts 10.0
  "Setting cpu_watts of the server.
Power of one busy core in watts, for the energy estimate where no meter can
be read."
  :type 'number
  :group 'greenfinch)

(defcustom greenfinch-gpu-watts 150.0
  "Setting gpu_watts of the server.
Power in watts of a GPU that works on the model, for the same estimate."
  :type 'number
  :group 'greenfinch)

(defcustom greenfinch-price-per-kwh 0.0
  "Setting price_per_kwh of the server.
What you pay for a kilowatt-hour, to tell the cost of runs in money; 0:
watt-hours alone are told."
  :type 'number
  :group 'greenfinch)

(defcustom greenfinch-currency "EUR"
  "Setting currency of the server.
Currency of that price."
  :type 'string
  :group 'greenfinch)

(defcustom greenfinch-records-mb 200.0
  "Setting records_mb of the server.
Megabytes that the records of all runs may take together; the oldest make
room."
  :type 'number
  :group 'greenfinch)

(defconst greenfinch-settings--all
  '((:model greenfinch-model string)
    (:endpoint greenfinch-endpoint string)
    (:endpoints greenfinch-endpoints strings)
    (:last_resort greenfinch-last-resort string)
    (:endpoint_key_env greenfinch-endpoint-key-env string)
    (:python greenfinch-python string)
    (:strategy greenfinch-strategy string)
    (:candidates greenfinch-candidates integer)
    (:budget_seconds greenfinch-budget-seconds number)
    (:budget_tokens greenfinch-budget-tokens integer)
    (:budget_wh greenfinch-budget-wh number)
    (:larger_model greenfinch-larger-model string)
    (:temperature greenfinch-temperature number)
    (:comments greenfinch-comments boolean)
    (:max_tokens greenfinch-max-tokens integer)
    (:context_tokens greenfinch-context-tokens integer)
    (:threads greenfinch-threads integer)
    (:host_idle_minutes greenfinch-host-idle-minutes number)
    (:test_timeout_seconds greenfinch-test-timeout-seconds number)
    (:test_memory_mb greenfinch-test-memory-mb integer)
    (:test_args greenfinch-test-args strings)
    (:test_command greenfinch-test-command string)
    (:test_command_xml greenfinch-test-command-xml string)
    (:sandbox_least greenfinch-sandbox-least string)
    (:test_env greenfinch-test-env strings)
    (:test_read greenfinch-test-read strings)
    (:test_write greenfinch-test-write strings)
    (:test_network greenfinch-test-network string)
    (:code_lens greenfinch-code-lens boolean)
    (:prepare_on_menu greenfinch-prepare-on-menu boolean)
    (:confirm_edit greenfinch-confirm-edit boolean)
    (:cpu_watts greenfinch-cpu-watts number)
    (:gpu_watts greenfinch-gpu-watts number)
    (:price_per_kwh greenfinch-price-per-kwh number)
    (:currency greenfinch-currency string)
    (:records_mb greenfinch-records-mb number))
  "All settings of the server: name there, variable here, kind of value.")

;; settings: end

(provide 'greenfinch-settings)

;;; greenfinch-settings.el ends here
