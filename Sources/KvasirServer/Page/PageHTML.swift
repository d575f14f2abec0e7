#if Server
/// The page's elements; `PageScript` fills them.
let pageHTML = #"""
    <!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>Kvasir</title>
    <link rel="icon" href="data:,">
    <link rel="stylesheet" href="page.css">
    <script src="page.js" defer></script>
    </head>
    <body>
    <header>
    <h1>Kvasir</h1>
    <p id="model">connecting…</p>
    <button id="key" type="button" hidden>API key</button>
    </header>
    <main>
    <section id="chat" aria-label="Conversation">
    <div id="messages" role="log" aria-live="polite"></div>
    <form id="form">
    <label class="hidden" for="input">Message</label>
    <textarea id="input" rows="3" placeholder="Message (Enter sends, Shift+Enter breaks the line)"></textarea>
    <div class="row">
    <button id="send" type="submit">Send</button>
    <button id="stop" type="button" disabled>Stop</button>
    <button id="clear" type="button">New conversation</button>
    <label>Temperature <input id="temperature" type="number" min="0" max="2" step="0.1" value="0.7"></label>
    <label>Most tokens <input id="limit" type="number" min="1" step="1" value="512"></label>
    </div>
    </form>
    <p id="note" role="status"></p>
    </section>
    <aside aria-label="Cache">
    <h2>Cache</h2>
    <p id="configuration" class="mono"></p>
    <div id="bar" role="img" aria-label="Cache memory">
    <span id="bar-sequences"></span><span id="bar-prefixes"></span>
    </div>
    <p class="legend"><span class="swatch sequences"></span>running <span class="swatch prefixes"></span>kept prefixes</p>
    <dl id="figures"></dl>
    <h2>Layers</h2>
    <table>
    <thead><tr><th>Layers</th><th>Part</th><th>Codec</th><th>Bits</th></tr></thead>
    <tbody id="layers"></tbody>
    </table>
    </aside>
    </main>
    </body>
    </html>
    """#
#endif
