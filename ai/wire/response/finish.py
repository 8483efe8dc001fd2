"""Why a provider says that an answer ended, in its own words, and what that means. Compared in lower case.

A word that stands here is known; any other means that nobody knows whether the answer is whole, and so it is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Ending = Literal["stop", "length", "tool_calls", "filtered", "refused", "failed"]
"""`failed`: the provider broke off by itself, and what it had written is not whole."""

CHAT: Mapping[str, Ending] = {
    # OpenAI, API reference, "The chat completion object": finish_reason
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "filtered",
    # DeepSeek, API docs, "Create Chat Completion": finish_reason
    "insufficient_system_resource": "failed",
    # Mistral, API reference, "Chat Completion": finish_reason
    "model_length": "length",
    "error": "failed",  # OpenRouter too, "Error Handling": beside an error object in the choice
    # Z.ai, API reference, "Chat Completion": finish_reason
    "sensitive": "filtered",
    "network_error": "failed",
    "model_context_window_exceeded": "length",
    # vLLM, vllm/v1/request.py, FinishReason; SGLang, managers/schedule_batch.py
    "abort": "failed",
    "abort_timeout": "failed",
    "repetition": "failed",
    # Together, "Chat Completions": finish_reason
    "eos": "stop",
    # Hugging Face text-generation-inference, router/src/lib.rs, FinishReason
    "eos_token": "stop",
    "stop_sequence": "stop",
    # Cohere, API reference, "Chat": finish_reason of v1 and v2
    "complete": "stop",
    "tool_call": "tool_calls",
    "error_limit": "length",
    "error_toxic": "filtered",
    "user_cancel": "failed",
    "timeout": "failed",
    # Ollama, docs/api.md: done_reason, which /v1 hands through
    "load": "failed",
    "unload": "failed",
    # LM Studio, SDK reference, "LLM prediction stop reason"
    "eosfound": "stop",
    "stopstringfound": "stop",
    "maxpredictedtokensreached": "length",
    "contextlengthreached": "length",
    "toolcalls": "tool_calls",
    "userstopped": "failed",
    "modelunloaded": "failed",
    "failed": "failed",
    # What gateways leave of other protocols: Anthropic's and Gemini's own words
    "end_turn": "stop",
    "max_tokens": "length",
    "safety": "filtered",
    "recitation": "filtered",
    "blocklist": "filtered",
    "prohibited_content": "filtered",
    "spii": "filtered",
    "refusal": "refused",
    "tool_use": "tool_calls",
    "pause_turn": "length",
    "cancelled": "failed",
    "canceled": "failed",
    "interrupted": "failed",
    "incomplete": "failed",
}

RESPONSES: Mapping[str, Ending] = {
    # OpenAI, API reference, "The response object": status, and incomplete_details.reason
    "completed": "stop",
    "max_output_tokens": "length",
    "max_tokens": "length",
    "content_filter": "filtered",
    "failed": "failed",
    "cancelled": "failed",
    "in_progress": "failed",
    "queued": "failed",
    "incomplete": "failed",
}

MESSAGES: Mapping[str, Ending] = {
    # Anthropic, "Handling stop reasons": https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "pause_turn": "length",
    "tool_use": "tool_calls",
    "refusal": "refused",
}

GEMINI: Mapping[str, Ending] = {
    # Google, "GenerateContentResponse", FinishReason, and google-genai's types.FinishReason
    "stop": "stop",
    "max_tokens": "length",
    "continuation": "length",
    "safety": "filtered",
    "recitation": "filtered",
    "blocklist": "filtered",
    "prohibited_content": "filtered",
    "spii": "filtered",
    "language": "filtered",
    "image_safety": "filtered",
    "image_prohibited_content": "filtered",
    "image_recitation": "filtered",
    "model_armor": "filtered",
    "other": "failed",
    "escalation": "failed",
    "pup_limited_disabled": "failed",
    "image_other": "failed",
    "no_image": "failed",
    "malformed_function_call": "failed",
    "malformed_response": "failed",
    "unexpected_tool_call": "failed",
    "too_many_tool_calls": "failed",
    "missing_thought_signature": "failed",
    "finish_reason_unspecified": "failed",
}


def ending(table: Mapping[str, Ending], word: str) -> Ending | None:
    """What *word* means in *table*; None when nobody knows."""
    return table.get(word.strip().lower().replace("-", "_").replace(" ", "_"))
