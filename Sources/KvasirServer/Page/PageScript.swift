#if Server
/// What the page does: a conversation that is streamed, and the figures of the cache once a second.
let pageScript = #"""
    "use strict";
    const at = (id) => document.getElementById(id);
    const messages = [];
    let running = null;
    let props = null;
    let last = null;

    function headers() {
      const key = sessionStorage.getItem("key");
      return Object.assign({ "content-type": "application/json" }, key ? { authorization: "Bearer " + key } : {});
    }

    async function fetchJSON(path) {
      const response = await fetch(path, { headers: headers(), cache: "no-store" });
      if (response.status === 401) at("key").hidden = false;
      const body = await response.json();
      if (!response.ok) throw new Error(body.error ? body.error.message : response.statusText);
      return body;
    }

    function bytes(count) {
      const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
      let unit = 0;
      while (count >= 1024 && unit < units.length - 1) { count /= 1024; unit += 1; }
      return (unit === 0 ? count : count.toFixed(1)) + " " + units[unit];
    }

    const grouped = (count) => count.toLocaleString("en");

    function element(name, text, className) {
      const node = document.createElement(name);
      if (text !== undefined) node.textContent = text;
      if (className) node.className = className;
      return node;
    }

    // The figures

    function showPlan() {
      const cache = props.plan.cache;
      at("model").textContent = props.model + ", " + grouped(props.context) + " tokens";
      at("configuration").textContent = cache.configuration;
      const rows = [];
      for (const group of props.plan.layers) {
        const name = group.first === group.last ? String(group.first) : group.first + "–" + group.last;
        for (const part of [["K", group.keys], ["V", group.values]]) {
          const row = element("tr");
          row.append(
            element("td", part[0] === "K" ? name : ""), element("td", part[0]),
            element("td", part[1].codec), element("td", part[1].bitsPerValue.toFixed(3)));
          rows.push(row);
        }
      }
      at("layers").replaceChildren(...rows);
    }

    function showFigures(now) {
      const held = now.sequenceBytes + now.prefixBytes;
      const whole = now.budget || Math.max(now.peakBytes, held, 1);
      at("bar-sequences").style.width = 100 * now.sequenceBytes / whole + "%";
      at("bar-prefixes").style.width = 100 * now.prefixBytes / whole + "%";
      const time = performance.now();
      let speed = "–";
      if (last && time > last.time) {
        speed = (1000 * (now.generatedTokens - last.now.generatedTokens) / (time - last.time)).toFixed(1) + " tokens/s";
      }
      last = { time, now };
      const ratio = props.plan.f16BytesPerToken / props.plan.bytesPerToken;
      const rows = [
        ["running sequences", bytes(now.sequenceBytes)],
        ["kept prefixes", bytes(now.prefixBytes)],
        ["budget", now.budget ? bytes(now.budget) : "none"],
        ["most there was", bytes(now.peakBytes)],
        ["pages", grouped(Math.round(held / Math.max(now.pageBytes, 1)))],
        ["the same in f16", bytes(held * ratio) + " (" + ratio.toFixed(2) + "×)"],
        ["tokens cached", grouped(now.cachedTokens)],
        ["requests", now.running + " running, " + now.waiting + " waiting"],
        ["prompt tokens", grouped(now.promptTokens)],
        ["of them cached", grouped(now.cachedPromptTokens)],
        ["generated", grouped(now.generatedTokens)],
        ["speed", speed],
      ];
      at("figures").replaceChildren(...rows.flatMap((row) => [element("dt", row[0]), element("dd", row[1])]));
    }

    async function refresh() {
      try {
        if (!props) { props = await fetchJSON("props"); showPlan(); }
        if (!document.hidden) showFigures(await fetchJSON("stats"));
      } catch (error) {
        at("model").textContent = error.message;
      }
      setTimeout(refresh, 1000);
    }

    // The conversation

    function show(role, text) {
      const node = element("div", text, "message " + role);
      at("messages").append(node);
      node.scrollIntoView({ block: "end" });
      return node;
    }

    async function* events(response) {
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      while (true) {
        const { value, done } = await reader.read();
        if (done) return;
        rest += value;
        let end;
        while ((end = rest.indexOf("\n\n")) >= 0) {
          const event = rest.slice(0, end);
          rest = rest.slice(end + 2);
          if (event === "data: [DONE]") return;
          if (event.startsWith("data: ")) yield JSON.parse(event.slice(6));
        }
      }
    }

    async function ask() {
      const text = at("input").value.trim();
      if (!text || running) return;
      at("input").value = "";
      at("note").textContent = "";
      messages.push({ role: "user", content: text });
      show("user", text);
      const node = show("assistant", "");
      const answer = { role: "assistant", content: "" };
      running = new AbortController();
      at("send").disabled = true;
      at("stop").disabled = false;
      const start = performance.now();
      let first = 0;
      let usage = null;
      try {
        const response = await fetch("v1/chat/completions", {
          method: "POST", headers: headers(), signal: running.signal,
          body: JSON.stringify({
            messages, stream: true, stream_options: { include_usage: true },
            temperature: Number(at("temperature").value), max_tokens: Number(at("limit").value),
          }),
        });
        if (response.status === 401) at("key").hidden = false;
        if (!response.ok) throw new Error((await response.json()).error.message);
        for await (const event of events(response)) {
          if (event.error) throw new Error(event.error.message);
          if (event.usage) usage = event.usage;
          for (const choice of event.choices) {
            if (choice.delta.content) {
              if (!first) first = performance.now();
              answer.content += choice.delta.content;
              node.textContent = answer.content;
              const list = at("messages");
              if (list.scrollHeight - list.scrollTop - list.clientHeight < 120) list.scrollTop = list.scrollHeight;
            }
          }
        }
      } catch (error) {
        if (error.name !== "AbortError") {
          at("note").textContent = error.message;
          if (!answer.content) node.classList.add("failed");
        }
      }
      if (answer.content) {
        messages.push(answer);
      } else {
        messages.pop();
        node.remove();
      }
      if (usage) {
        const seconds = (performance.now() - first) / 1000;
        at("messages").append(element(
          "p",
          usage.prompt_tokens + " prompt tokens, " + usage.prompt_tokens_details.cached_tokens + " of them cached; "
            + usage.completion_tokens + " generated, "
            + (Math.max(usage.completion_tokens - 1, 0) / Math.max(seconds, 1e-3)).toFixed(1) + " tokens/s; first after "
            + ((first - start) / 1000).toFixed(2) + " s",
          "figures"));
      }
      running = null;
      at("send").disabled = false;
      at("stop").disabled = true;
      at("input").focus();
    }

    at("form").addEventListener("submit", (event) => { event.preventDefault(); ask(); });
    at("input").addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); ask(); }
    });
    at("stop").addEventListener("click", () => running && running.abort());
    at("clear").addEventListener("click", () => {
      if (running) running.abort();
      messages.length = 0;
      at("messages").replaceChildren();
      at("note").textContent = "";
    });
    at("key").addEventListener("click", () => {
      const key = prompt("API key");
      if (key) { sessionStorage.setItem("key", key); at("key").hidden = true; props = null; }
    });
    refresh();
    """#
#endif
