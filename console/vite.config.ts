import preact from "@preact/preset-vite";
import { defineConfig } from "vitest/config";

// Relative addresses: the same files work at a path of any server or bucket.
export default defineConfig({
  base: "./",
  plugins: [preact({ prefreshEnabled: false })],
  build: {
    outDir: "../skylift/console",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    // The page's policy allows no data: fonts or scripts, so nothing is inlined.
    assetsInlineLimit: 0,
  },
  test: { include: ["src/**/*.test.ts"] },
});
