"""Writes tests/golden/tokenizers/chat.json, with which tests/golden/chat_templates.rs compares.

    pip install transformers==5.24.0 jinja2
    python tests/golden/make_chat.py

Templates use what those of published models use; the texts are those of transformers.
"""

import json
import pathlib

from transformers.utils.chat_template_utils import _compile_jinja_template

CHATML = """{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system
You are helpful<|im_end|>
' }}{% endif %}{{'<|im_start|>' + message['role'] + '
' + message['content'] + '<|im_end|>' + '
'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant
' }}{% endif %}"""

LINES = """{{- bos_token }}
{%- if tools is defined and tools %}
    {%- for tool in tools %}
        {{- tool | tojson(indent=4) }}
        {{- "\\n\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
{%- endif %}
{% for message in messages %}
    {%- if message.role == "user" -%}
        [INST] {{ message.content.strip() }} [/INST]
    {%- elif message.role in ["assistant", "system"] -%}
    {% generation %}
        {{ message["content"] | trim + eos_token }}
    {% endgeneration %}
    {%- else %}
        {{ raise_exception("who is " + message.role + "?") }}
    {%- endif %}
{% endfor %}
{# nothing #}
  {% if add_generation_prompt %}
  reply:
  {% endif %}
"""

STATE = """{%- macro shown(text, times=2) %}{% for i in range(times) %}{{ text|upper }}{{ "," if not loop.last }}{% endfor %}{% endmacro -%}
{%- set ns = namespace(system="", last=none, count=0) -%}
{%- for m in messages -%}
  {%- if m.role == "system" -%}{%- set ns.system = ns.system ~ m.content ~ "|" -%}{%- continue -%}{%- endif -%}
  {%- set ns.count = ns.count + 1 -%}
  {%- if loop.index0 is divisibleby(2) %}even {% endif -%}
  {%- set parts = m.content.split(" ") -%}
  {{- ns.count }}:{{ parts[0] }}/{{ parts[-1] }}/{{ parts | length }} {{ parts | join("+") }} {{ m.content[1:4] }} {{ m.content.startswith("H") }}
  {%- if ns.count == 3 %}{% break %}{% endif %}
{%- endfor -%}
{%- set block %}captured {{ ns.system }}{% endset -%}
{{ block }}{{ shown("é") }}{{ shown(text="<b>", times=1) }}{{ strftime_now("%d %b %Y, %A %H:%M") }}
{%- for key, value in {"b": 1, "a": [1.5, true, none, "x\\"<é"]}.items() %} {{ key }}={{ value | tojson }}{% endfor %}
{{ missing }}{{ missing is defined }} {{ messages | selectattr("role", "equalto", "user") | map(attribute="content") | list | length }}
{{ "a-b" | replace("-", "_") }} {{ "yes" if enable_thinking else "no" }} {{ {"x": 1}.get("y", 7) }} {{ messages[::-1][0].role }}"""

SLICES = """{%- for a in [none, 0, 1, 2, 5, 99, -1, -2, -5, -99] -%}{%- for b in [none, 0, 2, 99, -1, -99] -%}
{{- "abcde"[a:b] }},{{ "abcdé"[a:b:-1] }},{{ messages[a:b:2] | map(attribute="role") | join }},{{ messages[a:b:-2] | length }},{{ "x[1:2]"[2:][a:] }};
{%- endfor -%}{%- endfor -%}{{ [][::-1] | length }}{{ ""[1:] }}{{ {"k": messages[:1]}["k"][:1] | length }}"""

TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "  Hello there, é 👍 {{ not a tag }}  "},
    {"role": "assistant", "content": "Hi\\n"},
    {"role": "user", "content": "What is 1 + 1?"},
    {"role": "assistant", "content": "2"},
    {"role": "user", "content": "H"},
]
TOOLS = [{"type": "function", "function": {"name": "add", "parameters": {"z": [1, 2.5], "a": {}, "l": []}, "ok": True}}]


def main():
    import transformers.utils.chat_template_utils as utils

    found = []
    for source in [CHATML, LINES, STATE, SLICES]:
        for messages in [TALK, TALK[1:2], [], TALK[1:4]]:
            for reply in [True, False]:
                variables = {"bos_token": "<s>", "eos_token": "</s>", "tools": TOOLS, "enable_thinking": reply}
                template = _compile_jinja_template(source)
                template.globals["strftime_now"] = lambda f: utils.datetime.fromtimestamp(1_709_210_096, tz=utc()).strftime(f)
                try:
                    text = template.render(messages=messages, add_generation_prompt=reply, **variables)
                except Exception as e:
                    text = None
                found.append({"source": source, "messages": messages, "reply": reply, "text": text})
    path = pathlib.Path(__file__).resolve().parent / "tokenizers" / "chat.json"
    path.write_text(json.dumps({"tools": json.dumps(TOOLS), "cases": found}, separators=(",", ":")) + "\n")
    print(path.stat().st_size, [case["text"] is None for case in found])


def utc():
    import datetime

    return datetime.timezone.utc


if __name__ == "__main__":
    main()
