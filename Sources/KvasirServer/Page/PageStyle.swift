#if Server
/// How the page looks, light and dark.
let pageStyle = #"""
    :root {
      color-scheme: light dark;
      --back: light-dark(#f7f7f5, #16181b);
      --card: light-dark(#ffffff, #1f2226);
      --text: light-dark(#1c1e21, #e6e7e9);
      --faint: light-dark(#5c6068, #9aa0a8);
      --line: light-dark(#d9dadd, #363a40);
      --accent: light-dark(#0b5cad, #7ab8ff);
      --second: light-dark(#b36200, #f0b35a);
      --mine: light-dark(#e3eefb, #21344a);
      --error: light-dark(#a11212, #ff8f8f);
    }
    * { box-sizing: border-box; }
    body {
      margin: 0; height: 100vh; display: flex; flex-direction: column;
      background: var(--back); color: var(--text); font: 16px/1.5 system-ui, sans-serif;
    }
    header { display: flex; gap: 1rem; align-items: baseline; padding: .6rem 1rem; border-bottom: 1px solid var(--line); }
    h1 { font-size: 1.2rem; margin: 0; }
    h2 { font-size: 1rem; margin: 1rem 0 .4rem; }
    aside h2:first-child { margin-top: 0; }
    header p { margin: 0; color: var(--faint); flex: 1; }
    main { flex: 1; min-height: 0; display: grid; grid-template-columns: 1fr 24rem; gap: 1rem; padding: 1rem; }
    #chat { display: flex; flex-direction: column; min-height: 0; }
    #messages { flex: 1; overflow-y: auto; padding-bottom: 1rem; }
    .message {
      white-space: pre-wrap; overflow-wrap: anywhere; padding: .5rem .8rem; margin: .4rem 0;
      border-radius: .5rem; background: var(--card); border: 1px solid var(--line); max-width: 60rem;
    }
    .message.user { background: var(--mine); margin-left: 3rem; }
    .message.failed { color: var(--error); }
    .figures { color: var(--faint); font-size: .85rem; margin: 0 0 .6rem .8rem; }
    textarea, input, button { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--line); border-radius: .4rem; }
    textarea { width: 100%; padding: .5rem; resize: vertical; }
    input { width: 5.5rem; padding: .2rem .4rem; }
    button { padding: .3rem .9rem; cursor: pointer; }
    button[type=submit] { background: var(--accent); border-color: var(--accent); color: var(--back); }
    button:disabled { opacity: .5; cursor: default; }
    :focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
    .row { display: flex; flex-wrap: wrap; gap: .6rem; align-items: center; margin-top: .4rem; }
    .row label { color: var(--faint); font-size: .9rem; }
    #note { min-height: 1.5rem; margin: .3rem 0 0; color: var(--error); }
    aside { overflow-y: auto; background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: 1rem; }
    .mono { font-family: ui-monospace, monospace; font-size: .9rem; overflow-wrap: anywhere; margin: 0 0 .6rem; }
    #bar { display: flex; height: 1.2rem; border: 1px solid var(--line); border-radius: .3rem; overflow: hidden; }
    #bar span { width: 0; transition: width .3s; }
    #bar-sequences, .swatch.sequences { background: var(--accent); }
    #bar-prefixes, .swatch.prefixes { background: var(--second); }
    .swatch { display: inline-block; width: .8rem; height: .8rem; border-radius: .15rem; margin: 0 .3rem 0 0; }
    .legend { color: var(--faint); font-size: .85rem; margin: .3rem 0; }
    dl { display: grid; grid-template-columns: auto auto; gap: .15rem .8rem; margin: .6rem 0; font-size: .92rem; }
    dt { color: var(--faint); }
    dd { margin: 0; text-align: right; font-variant-numeric: tabular-nums; }
    table { width: 100%; border-collapse: collapse; font-size: .88rem; }
    th { text-align: left; color: var(--faint); font-weight: normal; }
    td, th { padding: .15rem .4rem .15rem 0; border-bottom: 1px solid var(--line); }
    .hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
    @media (max-width: 60rem) {
      body { height: auto; }
      main { grid-template-columns: 1fr; }
      #messages { min-height: 40vh; }
    }
    """#
#endif
