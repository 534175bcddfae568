"""The status page's style sheet: light and dark, readable at arm's length at night."""

from typing import Final

STYLE: Final = """
:root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--text:#1a1d21;--soft:#5a626d;--line:#dde1e6;--link:#0b57c2;
--ok:#1a7f37;--learn:#57606a;--warn:#8a5a00;--drift:#b3261e;--drift-bg:#fdecea;--warn-bg:#fff6e0;--ref:#9aa4b1;--cur:#d9480f}
@media(prefers-color-scheme:dark){:root{--bg:#0f1216;--card:#181c22;--text:#e6e9ed;--soft:#a0a9b4;--line:#2c333c;
--link:#7fb4ff;--ok:#57c774;--learn:#a0a9b4;--warn:#f0b93a;--drift:#ff8a80;--drift-bg:#331815;--warn-bg:#2e2610;
--ref:#6b7684;--cur:#ff8a4c}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--text);font:15px/1.45 system-ui,sans-serif}
header{padding:.8rem 1.2rem;border-bottom:4px solid var(--learn);background:var(--card)}
header.OK{border-color:var(--ok)}header.WARNING{border-color:var(--warn)}header.DRIFT{border-color:var(--drift)}
h1{margin:.1rem 0;font-size:1.55rem;overflow-wrap:anywhere}h1 span{color:var(--learn)}
.OK h1 span{color:var(--ok)}.WARNING h1 span{color:var(--warn)}.DRIFT h1 span{color:var(--drift)}
.meta,footer,.small{color:var(--soft);font-size:.82rem}.meta{margin:0}.small{font-weight:400}
main{padding:1rem 1.2rem;display:grid;gap:1rem;max-width:1500px;margin:auto;grid-template-columns:minmax(0,1fr)}
footer{padding:0 1.2rem 1.2rem;text-align:center}a{color:var(--link)}
.card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.8rem 1rem}
.card.DRIFT{border-left:5px solid var(--drift)}.card.WARNING{border-left:5px solid var(--warn)}
h2{margin:0 0 .3rem;font-size:1.1rem;overflow-wrap:anywhere}
.facts{margin:.1rem 0 .4rem}.card>ul{margin:.2rem 0 .6rem;padding-left:1.2rem}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.4rem .9rem .4rem 0;border-top:1px solid var(--line)}
thead th{border-top:0;color:var(--soft);font-size:.82rem;font-weight:600;white-space:nowrap}
tbody th[scope=row]{width:9rem}
tbody th{font-weight:600;overflow-wrap:anywhere;min-width:7rem;max-width:18rem}td{font-variant-numeric:tabular-nums}
td ul{margin:0;padding:0;list-style:none}
time,.when,td .small{white-space:nowrap}td time+.small{display:block}
td:last-child .small,td svg+.small,td.sure .small{white-space:normal}
td.sure{min-width:9rem;max-width:10rem}td svg+.small{max-width:14rem}svg{max-width:14rem}
td:last-child{min-width:10rem}.what{font-weight:600;max-width:13rem;overflow-wrap:anywhere}
.facts .small::before{content:"("}.facts .small::after{content:")"}
.pill{display:inline-block;padding:0 .45rem;border-radius:99px;font-size:.72rem;font-weight:700;
border:1px solid currentColor;white-space:nowrap;vertical-align:middle}
.pill.OK{color:var(--ok)}.pill.LEARNING{color:var(--learn)}.pill.WARNING{color:var(--warn);background:var(--warn-bg)}
.pill.DRIFT{color:var(--drift);background:var(--drift-bg)}.ratio{font-size:1.1rem}
svg{display:block}rect.ref,i.ref{fill:var(--ref);background:var(--ref)}rect.cur,i.cur{fill:var(--cur);background:var(--cur)}
rect.hit{fill:transparent}path.base{stroke:var(--line)}
.key{font-weight:400;margin-left:.4rem}.key i{display:inline-block;width:.65rem;height:.65rem;margin-left:.3rem}
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(19rem,1fr));gap:.3rem 1.2rem;margin:0}
dl div{display:flex;gap:.6rem}dt{color:var(--soft);min-width:6.5rem}dd{margin:0;overflow-wrap:anywhere}
tr.group th{color:var(--soft);font-size:.82rem;padding:.5rem 0 .2rem}tr.group.DRIFT th{color:var(--drift)}
tr.group.WARNING th{color:var(--warn)}span[title]{text-decoration:underline dotted}.card>p{margin:.6rem 0 .2rem}
.bad dd,.stale{color:var(--drift);font-weight:600}progress{width:9rem;vertical-align:middle}
.hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
a:focus-visible{outline:2px solid var(--link);outline-offset:2px}
@media(max-width:1400px){.wide{font-size:.86rem}.wide th,.wide td{padding-right:.55rem}td:last-child{min-width:9rem}
td:last-child .small,td:last-child code{white-space:normal;overflow-wrap:anywhere}td svg+.small{max-width:12rem}}
@media(max-width:700px){main{padding:.6rem}header{padding:.6rem}h1{font-size:1.25rem}}
"""
