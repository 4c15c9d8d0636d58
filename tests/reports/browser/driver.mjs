// One headless Chromium for the whole test run: a request a line on standard input, its answer a line on standard output.
//
//   {"open": file, "width": px, "height": px, "script": bool, "steps": [...], "axe": bool, "picture": file or null}
//
// Steps: ["press", key], ["type", text], ["settle", selector], ["read", expression]. The answer to "read" is the
// expression's value in the page; other steps answer null. Nothing is ever fetched: every request but that of the file itself
// is refused and reported, and so is everything that the page's own policy refused.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const axeSource = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const browser = await chromium.launch({
  executablePath: process.argv[2],
  // Debian's sandbox refuses to run as root, as which containers run; the pages here are our own and reach no network.
  args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
});

async function take(page, [kind, ...rest]) {
  if (kind === "press") await page.keyboard.press(rest[0]);
  else if (kind === "type") await page.keyboard.type(rest[0]);
  else if (kind === "settle") await page.waitForSelector(rest[0]);
  else if (kind === "read") return await page.evaluate(rest[0]);
  else throw new Error(`no step called ${kind}`);
  return null;
}

async function audit(page) {
  await page.evaluate(axeSource);
  return await page.evaluate(async () => {
    const found = await globalThis.axe.run(document, { elementRef: true });
    const nodes = (rules) =>
      rules.flatMap((rule) =>
        rule.nodes.map((node) => ({
          rule: rule.id,
          where: node.target.join(" "),
          text: Array.from(node.element?.childNodes ?? [], (n) => (n.nodeType === Node.TEXT_NODE ? n.data : "")).join(""),
          drawn: Boolean(node.element?.closest("svg")),
          why: node.failureSummary ?? rule.help,
        })),
      );
    return { violations: nodes(found.violations), undecided: nodes(found.incomplete), passes: found.passes.length };
  });
}

async function visit(request) {
  const address = pathToFileURL(request.open).href;
  const context = await browser.newContext({
    viewport: { width: request.width, height: request.height },
    javaScriptEnabled: request.script,
    offline: true,
  });
  const answer = { steps: [], requests: [], refused: [], errors: [], dialogs: [], axe: null };
  try {
    const page = await context.newPage();
    page.on("dialog", (dialog) => {
      answer.dialogs.push(dialog.message());
      return dialog.dismiss();
    });
    page.on("pageerror", (error) => answer.errors.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error") answer.errors.push(message.text());
    });
    page.on("request", (made) => {
      if (made.url() !== address && !made.url().startsWith("data:")) answer.requests.push(made.url());
    });
    await context.exposeBinding("refusedByPolicy", (_, what) => {
      answer.refused.push(what);
    });
    await context.addInitScript(() =>
      document.addEventListener("securitypolicyviolation", (event) =>
        globalThis.refusedByPolicy(`${event.effectiveDirective} ${event.blockedURI}`),
      ),
    );
    await page.goto(address);
    await page.evaluate(() => document.fonts.ready.then(() => null)); // what is measured is laid out in the fonts of the page
    for (const step of request.steps) answer.steps.push(await take(page, step));
    if (request.axe) answer.axe = await audit(page);
    if (request.picture) await page.screenshot({ path: request.picture, fullPage: true });
  } finally {
    await context.close();
  }
  return answer;
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = await visit(JSON.parse(line));
  } catch (error) {
    answer = { failed: String(error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();
