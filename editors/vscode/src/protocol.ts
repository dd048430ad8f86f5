/** What the server sends besides the protocol's own; lsp_server/README.md says what it means. */

/** The notification `greenfinch/status`. */
export interface Status {
  model: string;
  host: string;
  busy: string[];
  last: { message: string; state: string; passed: boolean } | null;
}

/** The answer of `greenfinch.holds`: whether a job's edit may be applied, as it now is; `reason` says why not. */
export interface Held {
  holds: boolean;
  reason: string;
}

/** One of the jobs in the answer of `greenfinch.status`. */
export interface Job {
  job: string;
  state: string;
  message: string;
  result: { findings: Finding[] } | null;
}

/** One thing that the doctor has looked at. */
export interface Finding {
  what: string;
  ok: boolean;
  found: string;
  remedy: string;
}
