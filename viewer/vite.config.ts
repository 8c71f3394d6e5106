// The page stands at /map and its files under /map/assets, so every URL in it is relative to the root of the server,
// wherever a proxy puts that.
import { fileURLToPath } from "node:url";
import { type HtmlTagDescriptor, type Plugin, defineConfig } from "vite";

/** Asks for the map library and the page's letters while the entry script still runs. */
function early(): Plugin {
  return {
    name: "early",
    transformIndexHtml: {
      order: "post",
      handler: (_html, { bundle }) => Object.keys(bundle ?? {}).flatMap(hint),
    },
  };
}

function hint(file: string): HtmlTagDescriptor[] {
  const link = (attrs: Record<string, string | boolean>): HtmlTagDescriptor[] => [
    { tag: "link", attrs: { ...attrs, href: `./${file}`, crossorigin: true }, injectTo: "head" },
  ];
  if (/\/map-[^/]+\.js$/.test(file)) return link({ rel: "modulepreload" });
  if (/-normal-[^/]+\.woff2$/.test(file)) return link({ rel: "preload", as: "font", type: "font/woff2" });
  return [];
}

export default defineConfig({
  base: "",
  plugins: [early()],
  build: {
    target: "es2022",
    outDir: fileURLToPath(new URL("../mapserver/viewer/static/dist", import.meta.url)),
    emptyOutDir: true,
    assetsDir: "map/assets",
    assetsInlineLimit: 0, // data: URLs would need holes in the Content-Security-Policy
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 900, // MapLibre GL JS alone is 800 kB before compression
    reportCompressedSize: false,
  },
  esbuild: { jsx: "automatic", jsxImportSource: "preact" },
});
