"""llama.cpp behind a small typed surface; the only file that imports it.

A `Backend` holds one loaded model and one context whose KV cache is shared by many sequences.  It does no bookkeeping:
which tokens lie where is `kv`'s business, and which sequence runs when is `batcher`'s.  Apart from the text functions
(`tokenize`, `piece`, `apply_template`), it must be used from one thread.
"""

from __future__ import annotations

import ctypes
import logging
from collections import deque
from pathlib import Path
from typing import Any

import llama_cpp
import numpy
from attrs import frozen
from numpy.typing import NDArray

from engine.host.kernels import announces_amx, runs_amx
from engine.host.likeliest import likeliest
from engine.machine.memory import available_bytes

log = logging.getLogger("greenfinch.host.llama")

_ERROR = 4  # of ggml_log_level
_LEVELS = {3: logging.WARNING, _ERROR: logging.ERROR}  # the rest is of interest to developers of llama.cpp
_LEFT_FREE = 512 << 20  # bytes: what is kept for later must not press other programs
_last_errors: deque[str] = deque(maxlen=5)


@llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]  # a ctypes function type, called with a function
def _on_log(level: int, text: bytes, _data: Any) -> None:
    line = text.decode("utf-8", "replace").rstrip()
    if level == _ERROR and line:
        _last_errors.append(line)
    log.log(_LEVELS.get(level, logging.DEBUG), "%s", line)


class BackendError(Exception):
    """llama.cpp refused; the text says what it said, and `code` which kind of trouble it is (see `loading`)."""

    def __init__(self, message: str, *, code: str = "failed") -> None:
        super().__init__(message)
        self.code = code


class UnsupportedModelError(BackendError):
    """The file is a model that this host cannot serve, wherever its layers are put."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="model")


def uses_gpu() -> bool:
    """Whether this llama.cpp puts models on a GPU."""
    return bool(llama_cpp.llama_supports_gpu_offload())


@frozen
class Sampling:
    """How tokens of one sequence are drawn.  `temperature` 0 is greedy; `seed` counts modulo 2**32 - 1."""

    temperature: float
    top_p: float
    min_p: float
    seed: int


class Sampler:
    """One chain of llama.cpp samplers; keeps the random state of one sequence.

    The chain gets the tokens that its first member, top-k, would leave of the vocabulary, and draws from them what it
    would draw from all; see `likeliest` for why.
    """

    TOP_K = 40  # llama.cpp's own default
    _ROOM = 4 * TOP_K  # candidates; more are there only where many are equally likely

    def __init__(self, sampling: Sampling) -> None:
        self._chain = None
        self._make_room(self._ROOM)
        if sampling.temperature <= 0:
            return
        self._chain = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
        add = llama_cpp.llama_sampler_chain_add
        add(self._chain, llama_cpp.llama_sampler_init_top_k(self.TOP_K))
        if sampling.top_p < 1:
            add(self._chain, llama_cpp.llama_sampler_init_top_p(sampling.top_p, 1))
        if sampling.min_p > 0:
            add(self._chain, llama_cpp.llama_sampler_init_min_p(sampling.min_p, 1))
        add(self._chain, llama_cpp.llama_sampler_init_temp(sampling.temperature))
        # 2**32 - 1 means "choose a seed" to llama.cpp, so it is never passed on.
        add(self._chain, llama_cpp.llama_sampler_init_dist(sampling.seed % 0xFFFFFFFF))

    def sample(self, logits: NDArray[numpy.float32]) -> int:
        """Draw a token by the logits of the vocabulary."""
        if self._chain is None:
            return int(logits.argmax())
        ids = likeliest(logits, self.TOP_K)
        if len(ids) > len(self._table):
            self._make_room(len(ids))
        self._table["id"][: len(ids)] = ids
        self._table["logit"][: len(ids)] = logits[ids]
        array = llama_cpp.llama_token_data_array(data=self._candidates, size=len(ids), selected=-1, sorted=False)
        llama_cpp.llama_sampler_apply(self._chain, ctypes.byref(array))
        token = int(self._candidates[array.selected].id)
        llama_cpp.llama_sampler_accept(self._chain, token)
        return token

    def _make_room(self, count: int) -> None:
        """For candidates, as llama.cpp reads them and as numpy writes them."""
        self._candidates = (llama_cpp.llama_token_data * count)()
        self._table = numpy.ctypeslib.as_array(self._candidates)

    def free(self) -> None:
        if self._chain is not None:
            llama_cpp.llama_sampler_free(self._chain)
            self._chain = None


class Batch:
    """The tokens of one decode step, of any sequences."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._batch = llama_cpp.llama_batch_init(capacity, 0, 1)

    def __len__(self) -> int:
        return int(self._batch.n_tokens)

    def clear(self) -> None:
        self._batch.n_tokens = 0

    def add(self, token: int, position: int, sequence: int, *, logits: bool) -> int:
        """Append a token; returns its index, for `Sampler.sample` if `logits` are asked for."""
        batch, index = self._batch, self._batch.n_tokens
        batch.token[index] = token
        batch.pos[index] = position
        batch.n_seq_id[index] = 1
        batch.seq_id[index][0] = sequence
        batch.logits[index] = logits
        batch.n_tokens = index + 1
        return int(index)

    def decode(self, context: Any) -> int:
        return int(llama_cpp.llama_decode(context, self._batch))

    def free(self) -> None:
        llama_cpp.llama_batch_free(self._batch)


class Backend:
    """A loaded model with its context.

    Args:
        model: path of a GGUF file.
        context_tokens: cells of the KV cache; the model's own limit holds.
        threads: for prompts and for sampling, until `set_threads` says otherwise.
        sequences: how many sequences the cache tells apart.
        gpu_layers: how many layers go to the GPU, the output counted as one; 0: no GPU is touched; None: all.  Of no
            account where llama.cpp has none.
        amx: use these instructions where llama.cpp was built for them; None: if this machine really runs them, which is
            tried out.
        watch: llama.cpp shows it each tensor that it computes (a `ggml_backend_sched_eval_callback`).

    Raises:
        UnsupportedModelError: it is a model that cannot be served.
        BackendError: the file cannot be loaded, or its context cannot be made.
    """

    BATCH = 512  # most tokens of one decode step
    CPU_BATCH = 128  # so many at a time on a CPU, where no step is larger: what attention needs for them is set aside

    def __init__(
        self,
        model: Path,
        *,
        context_tokens: int,
        threads: int,
        sequences: int,
        gpu_layers: int | None = None,
        amx: bool | None = None,
        watch: Any = None,
    ) -> None:
        llama_cpp.llama_log_set(_on_log, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()
        _last_errors.clear()
        on_cpu = gpu_layers == 0 or not uses_gpu()
        options = llama_cpp.llama_model_default_params()
        no_devices = (ctypes.c_void_p * 1)()  # a list of devices that ends at once
        if gpu_layers is not None:
            options.n_gpu_layers = gpu_layers
        if gpu_layers == 0:
            options.devices = ctypes.cast(no_devices, ctypes.c_void_p)
        self.note = ""  # for users: what is not as they set it, or as it could be
        info = bytes(llama_cpp.llama_print_system_info()).decode("utf-8", "replace")
        if amx is None and announces_amx(info) and not (on_cpu and runs_amx(model, info)):
            options.use_extra_bufts = False  # weights as that needs them: nothing else makes llama.cpp use it
            self.note = "without AMX, which this machine announces and does not run" if on_cpu else ""
        self.model = llama_cpp.llama_model_load_from_file(str(model).encode(), options)
        if not self.model:
            raise BackendError(
                f"llama.cpp cannot load {model}: {' '.join(_last_errors) or 'no reason given'}", code="model"
            )
        if llama_cpp.llama_model_is_recurrent(self.model) or llama_cpp.llama_model_is_hybrid(self.model):
            # Their layers keep a state of all that was read, of which no beginning can be kept, shared or gone back to.
            llama_cpp.llama_model_free(self.model)
            raise UnsupportedModelError(
                f"{model} has recurrent layers (as Mamba, RWKV and their hybrids have), and candidates of one prompt"
                " cannot share these: choose a model with attention alone."
            )
        params = llama_cpp.llama_context_default_params()
        limit = int(llama_cpp.llama_model_n_ctx_train(self.model))
        params.n_ctx = min(context_tokens, limit) if limit > 0 else context_tokens
        params.n_batch = params.n_ubatch = self.BATCH
        params.n_seq_max = sequences
        params.n_threads = params.n_threads_batch = threads
        if on_cpu:
            # On a CPU it takes longer: 3-8 % with 330 tokens before, 6-14 % with 890 (0.5B, AVX2, 1-16 at once).
            params.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
            params.n_ubatch = self.CPU_BATCH
            params.offload_kqv = params.op_offload = False
        if watch is not None:
            params.cb_eval = self._watch = watch
        params.kv_unified = True  # one pool of cells: copying a part of a sequence aborts without it
        self.context = llama_cpp.llama_init_from_model(self.model, params)
        if not self.context:
            llama_cpp.llama_model_free(self.model)
            raise BackendError(
                f"llama.cpp cannot make a context of {params.n_ctx} tokens for {model}:"
                f" {' '.join(_last_errors) or 'no reason given'}"
            )
        self.threads = threads
        self.fallback = ""  # for them, too: what failed, and what is used in its place
        self.parameters = int(llama_cpp.llama_model_n_params(self.model))
        self.device = "CPU" if on_cpu else "GPU"
        self.context_tokens = int(llama_cpp.llama_n_ctx(self.context))
        self.batch = Batch(self.BATCH)
        self._memory = llama_cpp.llama_get_memory(self.context)
        self._vocab = llama_cpp.llama_model_get_vocab(self.model)
        self._vocabulary = int(llama_cpp.llama_vocab_n_tokens(self._vocab))
        self.special_tokens = self._find_special_tokens()
        self._beginning: dict[str, NDArray[numpy.intp]] = {}
        bos = int(llama_cpp.llama_vocab_bos(self._vocab))
        self.bos = bos if llama_cpp.llama_vocab_get_add_bos(self._vocab) and bos >= 0 else None

    # Text: safe to call from any thread.

    def tokenize(self, text: str) -> list[int]:
        """Plain text to tokens.  What looks like a control token in it stays text."""
        data = text.encode("utf-8", "replace")
        room = len(data) + 8
        tokens = (llama_cpp.llama_token * room)()
        count = llama_cpp.llama_tokenize(self._vocab, data, len(data), tokens, room, False, False)
        if count < 0:
            raise BackendError(f"llama.cpp cannot tokenize a text of {len(data)} bytes")
        return tokens[:count]

    def piece(self, token: int) -> bytes:
        """The bytes a token stands for (not always whole characters); control tokens stand for none."""
        size = 64
        while True:
            buffer = ctypes.create_string_buffer(size)
            length = int(llama_cpp.llama_token_to_piece(self._vocab, token, buffer, size, 0, False))
            if length >= 0:
                return buffer.raw[:length]
            size = -length

    def tokens_beginning(self, text: str) -> NDArray[numpy.intp]:
        """The tokens that stand for `text` and more, or begin so behind white space."""
        if text not in self._beginning:
            wanted = text.encode()
            found = [t for t in range(self._vocabulary) if self.piece(t).lstrip().startswith(wanted)]
            self._beginning[text] = numpy.array(found, numpy.intp)
        return self._beginning[text]

    def ends_generation(self, token: int) -> bool:
        return bool(llama_cpp.llama_vocab_is_eog(self._vocab, token))

    def apply_template(self, messages: list[tuple[str, str]]) -> str:
        """Render (role, content) pairs and the beginning of the assistant's turn with the model's chat template.

        llama.cpp knows the common templates by their marks and runs no Jinja; for one that it does not know, and for
        a model without a template, ChatML is taken.
        """
        chat = (llama_cpp.llama_chat_message * len(messages))(
            *(llama_cpp.llama_chat_message(role.encode(), content.encode()) for role, content in messages)
        )
        room = 4096 + 4 * sum(len(content) for _role, content in messages)
        for template in (llama_cpp.llama_model_chat_template(self.model, None), b"chatml"):
            if template is None:
                continue
            buffer = ctypes.create_string_buffer(room)
            length = llama_cpp.llama_chat_apply_template(template, chat, len(messages), True, buffer, room)
            if 0 <= length <= room:
                return buffer.raw[:length].decode("utf-8")
        raise BackendError("llama.cpp could not render the chat template")

    def _find_special_tokens(self) -> dict[str, int]:
        control = (t for t in range(self._vocabulary) if llama_cpp.llama_vocab_is_control(self._vocab, t))
        return {bytes(llama_cpp.llama_vocab_get_text(self._vocab, t)).decode("utf-8", "replace"): t for t in control}

    # The context: one thread only.

    def set_threads(self, count: int) -> None:
        """Use `count` threads from the next step on."""
        if count != self.threads:
            llama_cpp.llama_set_n_threads(self.context, count, count)
            self.threads = count

    def decode(self) -> None:
        """Evaluate `batch`.

        Raises:
            BackendError: the step failed; what the cache holds is unknown now.
        """
        if result := self.batch.decode(self.context):
            raise BackendError(f"llama.cpp failed in a decode step (code {result})")

    def logits(self, index: int) -> NDArray[numpy.float32]:
        """A logit for each token of the vocabulary to follow the `index`-th entry of the batch decoded last.

        They lie in llama.cpp's own memory, and hold until the next step.
        """
        pointer = llama_cpp.llama_get_logits_ith(self.context, index)
        return numpy.ctypeslib.as_array(pointer, shape=(self._vocabulary,))

    def logprobs(self, index: int, token: int, top: int) -> tuple[float, list[tuple[int, float]]]:
        """Log probability of `token` after the `index`-th entry of the batch decoded last, and the `top` likeliest."""
        logits = self.logits(index).astype(numpy.float64)
        highest = logits.max()
        logits -= highest + numpy.log(numpy.exp(logits - highest).sum())
        best = numpy.argpartition(logits, -top)[-top:] if top else numpy.empty(0, int)
        ordered = best[numpy.argsort(-logits[best])]
        return float(logits[token]), [(int(other), float(logits[other])) for other in ordered]

    def copy_prefix(self, source: int, target: int, length: int) -> None:
        """Let `target` share the first `length` cells of `source`."""
        llama_cpp.llama_memory_seq_cp(self._memory, source, target, 0, length)

    def remove(self, sequence: int, start: int = 0) -> None:
        """Take `sequence` off its cells from position `start` on; those of no other sequence become free.

        Raises:
            BackendError: llama.cpp did not do it; what the cache holds is not what its books say.
        """
        if not llama_cpp.llama_memory_seq_rm(self._memory, sequence, start, -1):
            raise BackendError(f"llama.cpp could not take sequence {sequence} off the cache from {start} on")

    def save(self, sequence: int) -> Any | None:
        """A copy of the cells of `sequence`; None where memory is too short for it."""
        size = int(llama_cpp.llama_state_seq_get_size(self.context, sequence))
        if not size or available_bytes() < size + _LEFT_FREE:
            return None
        saved = (ctypes.c_uint8 * size)()
        written = int(llama_cpp.llama_state_seq_get_data(self.context, saved, size, sequence))
        return saved if written == size else None

    def restore(self, sequence: int, saved: Any) -> bool:
        """Put what `save` has copied into the cache as `sequence`, which has no cells; False: llama.cpp refused."""
        return bool(llama_cpp.llama_state_seq_set_data(self.context, saved, len(saved), sequence))

    def clear(self) -> None:
        """Empty the whole cache."""
        llama_cpp.llama_memory_clear(self._memory, True)

    def close(self) -> None:
        self.batch.free()
        llama_cpp.llama_free(self.context)
        llama_cpp.llama_model_free(self.model)
